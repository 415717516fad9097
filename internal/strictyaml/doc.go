// Package strictyaml decodes one YAML document into a Go value and finds every
// fault of it at once.
//
// Each fault is an Error with file, line, column, the path of the key, what was
// expected, and where there is one a way out. Unknown keys, duplicate keys,
// wrong types, nulls, explicit tags, anchors, aliases, merge keys and further
// documents are faults. Scalars are read one way only: booleans are true and
// false, integers are plain decimals, a string is never made of something that
// YAML reads as a number.
//
// It promises not to panic whatever the document says, to stay within MaxSize
// and MaxDepth, and not to quote the value of a field with the tag
// `secret:"true"`, nor what looks like a secret anywhere else. It never skips anything with a warning, never expands an
// alias and never reads a file.
package strictyaml
