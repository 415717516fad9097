// Package callouttest is the harness for tests of usher and of programs that
// build on it: a real nats-server in process with auth_callout, the whole
// service in front of it, a certificate authority, and a clock that tests move.
//
// It promises that everything it starts listens on loopback only and ends with
// the test. It mocks nothing of NATS.
package callouttest
