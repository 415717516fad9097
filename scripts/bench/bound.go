package main

import "math"

// What nats.go does by default.
const (
	patience  = 2.0 // seconds that an attempt waits
	retryWait = 2.0 // seconds until the next attempt, without the jitter
)

// costs are the CPU times of attempts in seconds, of nats-server, service and clients
// together.
type costs struct {
	granted    float64 // of an attempt that succeeds
	unanswered float64 // of one that fails because no answer comes
}

// lowerBound returns the shortest time in seconds in which a machine can let clients in
// that all come at once, whatever the service does (docs/reference/performance.md). lag is
// how late the last of them begins, in seconds.
func (c costs) lowerBound(clients, cores int, lag float64) float64 {
	n := float64(clients)
	perRound := float64(cores) * (patience + lag) / c.granted
	rounds := math.Ceil(n/perRound) - 1 // in which clients fail
	inTurn := rounds*(patience+retryWait) + (n-rounds*perRound)*c.granted/float64(cores)
	unanswered := rounds*n - perRound*rounds*(rounds+1)/2
	work := (n*c.granted + unanswered*c.unanswered) / float64(cores)
	return max(inTurn, work)
}
