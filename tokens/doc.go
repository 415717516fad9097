// Package tokens turns a credential into an identity.
//
// A Chain asks its verifiers in order; the first that does not say
// ErrNotApplicable decides. The package promises that a verifier never logs,
// returns or keeps a credential, and that "cannot be decided now" never looks
// like "no". One folder below it holds one kind of verifier.
package tokens
