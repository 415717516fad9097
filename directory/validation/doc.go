// Package validation holds the rules that the records of a directory have to keep:
// valid and unique names, references that lead somewhere, known roles, one owner for
// each key and each subject.
//
// It promises to report every fault at once, each with its path and, where there is
// one, a hint; and to quote no secret. It never changes records, and it knows neither
// how they are stored nor how they are indexed.
package validation
