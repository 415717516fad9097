// Package identitytable runs a table of identities and credentials, each with the grant
// that it is expected to get, for "usher identities test".
//
// It promises that a case passes if, and only if, a live request would get what the table
// says: it asks the same Decider, and the keyring that would sign. It knows neither flags
// nor exit codes, issues nothing, and shows no token.
package identitytable
