// Package permissions derives the grant of an identity from the facts that the
// directory holds about it.
//
// It promises that the same identity and facts always give the same Grant, sorted;
// that every Grant satisfies the invariants of docs/reference/permissions.md; and that every
// rule of a Grant has its origin. It is pure: no network, no clock, no randomness, no
// state.
package permissions
