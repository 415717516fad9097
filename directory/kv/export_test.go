package kv

// Waiting returns the number of changes that queue in a store.
func Waiting(s *Store) int { return s.queue.Len() }

// Sweep and SweepBans are sweep and sweepBans, for tests.
var (
	Sweep     = (*Store).sweep
	SweepBans = (*Store).sweepBans
)
