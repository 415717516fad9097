// Package config reads usher.yaml, the one configuration file.
//
// The structs of this package with their tags are the table of keys: decoding,
// defaults, validation, docs/configuration.md and the commented example that
// usher init writes are all made from them, so that none differs from another.
// Tags: yaml (name), default (text), doc (for the operator), rule (names of
// package rules), hint (a way out when a rule is broken), required.
//
// It promises to find every fault at once, each with its place, and to have no
// side effects: it reads no file but the one it is given, and no secret stands
// in that one, only names of files. Nothing unknown or contradictory is skipped.
package config

//go:generate go test -count=1 -run ^TestMarkdown$ . -update
