// Package strictyaml decodes one YAML document into a Go value and reports every
// error in it at once.
//
// Each Error has the file, line, column and key path, what was expected and, where
// there is one, a hint. Unknown keys, duplicate keys, wrong types, nulls, explicit
// tags, anchors, aliases, merge keys and further documents are errors. Every scalar
// has one reading: booleans are true and false, integers are plain decimals, and a
// value that YAML reads as a number or a boolean is never taken for a string.
//
// The package promises not to panic on any document, to stay within MaxSize and
// MaxDepth, and not to quote the value of a field with the tag `secret:"true"` or
// anything else that looks like a secret. It never skips anything with a warning,
// never expands an alias and never reads a file.
package strictyaml
