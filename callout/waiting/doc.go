// Package waiting bounds the requests that wait for a verifier that asks another system,
// and the failures that only such a verifier can see.
//
// It promises that no host and no credential holds more than its share of the slots of a
// verifier, that its failures are counted for that verifier alone, and that Acquire never
// waits. It verifies nothing.
package waiting
