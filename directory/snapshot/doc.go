// Package snapshot holds the immutable, indexed form of a directory that requests read,
// and computes the next one from a change.
//
// It promises that what a Snapshot shows is consistent, whatever entries it was made
// from: every reference resolves, every name is one token of a subject, and no two
// topics of an account have the same subject. A lookup costs what the user has, not what
// the directory has, and takes no lock. A change costs what it touches.
//
// It never does I/O and never reads a clock. It does not store a directory; the packages
// file and kv do.
//
// Snapshot, facts of a user, and lists of records are in snapshot.go, member.go and
// records.go. Draft is the snapshot in the making: draft.go takes entries, commit.go
// brings up to date what follows from them. check.go, references.go and lockout.go say
// whether a change may be made; removal.go and orphan.go say what a removal takes along.
package snapshot
