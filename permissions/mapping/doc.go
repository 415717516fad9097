// Package mapping turns a verified identity that is no user of the directory into what
// it gets: a user of the directory, the profile of a service, or roles in projects and the
// ingest profile. The rules are those of identities in usher.yaml (docs/reference/identities.md).
//
// It promises that the same identity and the same rules give the same result; that a
// value which comes with an identity names a user or a project only if it is a single
// subject token; and that no value is compared with one of another type. It knows no
// directory, network or clock.
package mapping
