// Package callout is the NATS edge: it answers nats-server's authorization
// requests (ADR-26) over several connections in one queue group.
//
// It promises that a request is answered within its budget and a tenth more
// (admission.MaxAge) or not at all, that it denies a request only if the decision is
// definite, and that a denial gives no cause. The goroutine of a subscription only puts requests into the queue. The
// package never reads a file and never keeps a credential.
package callout
