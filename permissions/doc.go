// Package permissions derives what an identity may do from what the directory
// says of it.
//
// It promises that the same identity and facts give the same Grant, sorted; that
// every Grant satisfies the invariants of docs/reference/permissions.md whatever derived
// it; and that every rule of a Grant says where it comes from. It is pure: no
// network, no clock, no randomness, no state.
package permissions
