// Package config reads usher.yaml, the one configuration file.
//
// The tagged structs of this package are the table of keys. Decoding, defaults,
// validation, docs/reference/configuration.md and the commented example that usher init writes
// are all made from it, so they cannot differ. The tags are yaml (the name), default
// (as YAML), doc (sentences for the operator), rule (names of rules, see rules.go),
// hint (shown with an error) and required.
//
// It promises to report every fault at once, each with its place in the file, and to
// have no side effects: it reads only the file that it is given. It never skips an
// unknown or contradictory key, and the file never contains a secret, only names of
// files.
package config

//go:generate go test -count=1 -run ^TestMarkdown$ . -update
