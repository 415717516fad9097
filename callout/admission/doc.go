// Package admission controls which waiting request is processed next, and which
// requests are shed. It has two rules: sources that have requests waiting are
// served round robin (Queue), and a source may fail only at a bounded rate, however
// often it succeeds (Failures).
//
// It promises that a source waits for at most one request of every other source,
// and that its memory is bounded. It knows nothing of NATS or credentials: a request
// is of any type, and a source is a string.
package admission
