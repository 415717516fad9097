// Package schema makes a configuration file out of a struct type: its table of keys comes
// from the tags of the fields, and decoding, defaults, validation, examples and
// documentation come from the table, so they cannot differ.
//
// The tags are yaml (the name), default (as YAML), rule (names of rules of package rule),
// doc (sentences for the operator), hint (shown with an error), required, and reload: a running
// program takes a change of a key, or of all keys of a section, with reload:"live". A condition on
// several keys is a Constraint, whose text is in the documentation too.
//
// It promises to report every fault at once, each with its place in the file and the path
// of its key, and one fault once. It does not know what a key means, reads and writes no
// file, and never shows a value that looks like a secret.
package schema
