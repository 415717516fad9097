// Package operator does the operator's work in operator mode: it reads, changes, signs
// and pushes account JWTs. "usher nkey", "usher check" and "usher project" use it. A
// running usher uses it only if it may create accounts (operator.create_accounts).
//
// It promises to change nothing else in an account JWT than what was requested, never
// to push a JWT that is older than the one that the servers use, and to report a push
// as successful only when every server of the cluster has accepted it. It keeps no seed.
package operator
