// Package file keeps a directory in a YAML file, for operators who manage it as text.
// Parse and Load read such a file, Write writes one, and a Store serves one and reloads
// it when it changes.
//
// It promises to report all faults of a file at once, each with its line, and that a
// Store always has a good snapshot: the last one stays in use until a new one is complete
// and correct. It never writes the file that it serves, and it never prints a digest or
// anything that looks like a secret. Package validation has the rules of a directory.
package file
