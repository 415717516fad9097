// Package config reads usher.yaml, the one configuration file.
//
// The tagged structs of this package are the table of keys, and package schema makes
// everything else from it: decoding, defaults, validation, docs/reference/configuration.md
// and the commented example that usher init writes. constraints.go has the conditions on
// several keys, rules.go those on values of the types in this package; package rule has the
// other conditions on single values.
//
// It promises to report every fault at once, each with its place in the file, and to
// have no side effects: it reads only the file that it is given. It never skips an
// unknown or contradictory key, and the file never contains a secret, only names of
// files.
package config

//go:generate go test -count=1 -run ^TestMarkdown$ . -update
