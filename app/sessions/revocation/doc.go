// Package revocation closes live sessions: those whose grant has lost something, and those
// whose credential is no longer good.
//
// After a change it decides again about the sessions that the change may concern, away from
// the way of a request. It waits until all replicas decide by the new state, so that whoever
// is closed is also denied when coming back, and then closes. What could not be closed is
// tried again, also by another replica, until it is gone.
//
// It promises that a session is closed only for a definite loss or a definite no: who cannot
// be decided now stays, and is decided again. What is gained closes nobody, unless that is
// asked for. It never lets anybody in.
package revocation
