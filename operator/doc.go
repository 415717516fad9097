// Package operator knows operator mode from the operator's side: the account JWTs
// on disk, how they are changed and signed, and the servers that they are pushed
// to. Only "usher nkey" and "usher check" use it; a running usher never does.
//
// It promises to change nothing in an account JWT but what it was asked to, never
// to push one that is older than what is in force, and to count a push as done
// only when every server of the cluster has taken it.
package operator
