// Package credentials tests all kinds of credentials together: an usher.yaml with every
// kind, a running usher made of it, and a real nats-server in each of its modes, to which
// clients of every transport connect.
//
// It promises that the tables of docs/reference/credentials.md are true. It has no other
// code than its tests.
package credentials
