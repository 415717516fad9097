// Package admission decides which of the waiting requests is worked on next, and
// which are not worked on at all. It knows nothing of NATS or credentials: what
// waits is of any type, and a source is a string.
//
// There are two rules. No source gets more turns than another that waits too
// (Queue). No source may fail more often than its share, however often it
// succeeds (Failures).
package admission
