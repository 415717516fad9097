// Package requestlog logs the outcomes of requests for people: decisions at a limited
// rate for each code, and when shedding begins and ends.
//
// It promises that a flood of requests is not a flood of lines. The audit and the metrics
// have every request. It never decides anything, and it redacts panics.
package requestlog
