// Package callout is the NATS edge: it answers nats-server's authorization
// requests (ADR-26) over several connections in one queue group.
//
// It promises that a request is decided within its budget or not at all, that
// only a definite "no" is answered with one, that the answer names no cause, and
// that nothing runs on a subscription's goroutine but putting a request into
// the queue. It never reads a file and never keeps a credential.
package callout
