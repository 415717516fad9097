// Package tokens turns a credential into an identity.
//
// A Chain asks its verifiers in order; the first that returns anything but
// ErrNotApplicable decides. The package promises that a verifier never logs, returns
// or keeps a credential, and that "cannot decide now" is never taken for a denial.
// Each kind of verifier is a package below this one.
package tokens
