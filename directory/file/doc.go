// Package file keeps the directory in a YAML file, for operators who manage it
// as text: Parse and Load read one, Write writes one, and a Store serves one and
// reloads it when it changes.
//
// It promises that every fault of a file is reported at once, with its line,
// and that a Store always has a good Snapshot: the last one stays until a new
// one is complete and correct. It never writes the file that it serves, never
// prints the value of a digest or what looks like a secret, and leaves the rules
// of a directory to package directory.
package file
