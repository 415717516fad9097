// Package operator knows operator mode from the operator's side: the account JWTs
// on disk, how they are changed and signed, and the servers that they are pushed
// to. "usher nkey", "usher check" and "usher project" use it; a running usher does only
// if its configuration says that it may make accounts (operator.create_accounts).
//
// It promises to change nothing in an account JWT but what it was asked to, never
// to push one that is older than what is in force, and to count a push as done
// only when every server of the cluster has taken it.
package operator
