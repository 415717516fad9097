// Package rule has the conditions on single values of a configuration, and what is wrong
// with values that break them.
//
// It promises that no message quotes a value that looks like a secret. It knows neither the
// keys of the configuration nor its file.
package rule
