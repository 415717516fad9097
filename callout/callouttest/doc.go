// Package callouttest is the test harness of usher. It has a real nats-server in
// process with auth_callout, the complete service, a certificate authority, and a
// clock that tests set.
//
// It promises that everything it starts listens on loopback only and stops with the
// test. It never mocks NATS.
package callouttest
