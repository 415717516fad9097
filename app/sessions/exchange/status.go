package exchange

import (
	"cmp"
	"slices"
	"time"
)

// Status is what an Exchange knows of itself and of the others.
type Status struct {
	Connected bool
	Account   error // why the connection is not used although it is there

	Complete  bool // see Exchange.Complete
	Collected bool // it has asked the others, or there was nobody to ask
	Replicas  []Replica

	// Lag is how old the view may be: the time since the replica that was silent for the
	// longest time was heard of.
	Lag time.Duration

	Gaps        uint64 // times that changes of another replica were not heard
	Missing     int    // replicas of which changes are asked for now
	Dropped     uint64 // messages that came faster than they could be read
	Malformed   uint64 // messages that could not be read
	Oversized   uint64 // sessions too large to share
	Transferred uint64 // sessions received on request
}

// Replica is another replica that lives.
type Replica struct {
	Instance string
	Heard    time.Duration // since it was heard of
	Sessions int           // that it knows
	Complete bool
	State    State
}

// Status returns the status. Call it after Start.
func (x *Exchange) Status() Status {
	now := x.cfg.Now()
	s := Status{
		Connected: x.nc.IsConnected(), Account: x.access.problem(),
		Gaps: x.gaps.Load(), Malformed: x.malformed.Load(), Oversized: x.oversized.Load(), Transferred: x.transferred.Load(),
	}
	if n, err := x.all.Dropped(); err == nil {
		s.Dropped = uint64(n) //nolint:gosec // not negative
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Complete, s.Collected = x.complete, x.collected
	for name, p := range x.peers {
		if p.incomplete() {
			s.Missing++
		}
		if p.gone {
			continue
		}
		r := Replica{Instance: name, Heard: now.Sub(p.heard), Sessions: p.beat.Sessions, Complete: p.beat.Complete, State: p.beat.state()}
		s.Replicas = append(s.Replicas, r)
		s.Lag = max(s.Lag, r.Heard)
	}
	slices.SortFunc(s.Replicas, func(a, b Replica) int { return cmp.Compare(a.Instance, b.Instance) })
	return s
}
