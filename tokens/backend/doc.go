// Package backend asks another system, such as an identity provider, about a credential.
// Verifiers that do so share what that takes.
//
// It promises: an answer is kept no longer than it is valid, and no longer than
// configured; one call per credential however many clients present it; a limited number
// of calls at a time, each of limited duration; a system that is down is not asked for a
// while; no credential is kept, only its digest; and an error says tokens.ErrUnavailable,
// never that a credential is bad. What goes wrong in a call, even a panic, is such an
// error, and its text shows no user name, password or query of a URL.
//
// The HTTP client follows no redirect, uses no proxy of the environment, and reads no
// more than the caller allows.
package backend
