// Package admission is the admission control of requests: it decides which waiting
// request is served next, and which are shed (load shedding).
//
// It promises that sources that have requests waiting are served round robin, so
// that a source waits for at most one request of every other; that a request is
// shed only if its client is expected to give up before its answer has been
// processed, or if too many wait; that every request leaves the Queue once; and
// that its memory is bounded. It knows nothing of NATS or credentials: a request is
// of any type, and a source is a string.
package admission
