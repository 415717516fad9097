package service

import (
	"context"
	"time"

	apipush "usher/api/push"
)

// How often the state of a subscription is shared: when it has changed, and when only its
// counts have.
const (
	shareAgain  = 3 * time.Second
	shareCounts = 30 * time.Second
	sharing     = 5 * time.Second // for all of them
)

// shared is the state of a subscription that others know.
type shared struct {
	state apipush.State
	at    time.Time
}

// shareStates writes the states of subscriptions into the bucket.
func (s *Service) shareStates(ctx context.Context) {
	known := map[string]shared{}
	tick := time.NewTicker(shareAgain)
	defer tick.Stop()
	for {
		s.share(ctx, known)
		select {
		case <-tick.C:
		case <-s.urgent:
			// Others may change in the same moment.
			select {
			case <-time.After(shareAgain / 10):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) share(ctx context.Context, known map[string]shared) {
	ctx, cancel := context.WithTimeout(ctx, sharing)
	defer cancel()
	states := s.worker.States()
	s.mu.Lock()
	for _, sub := range s.others {
		delete(states, sub.ID) // no other process has it
	}
	s.mu.Unlock()
	for id := range known {
		if _, ok := states[id]; !ok {
			delete(known, id)
		}
	}
	now := s.cfg.Now()
	for id, state := range states { //nolint:gocritic // the map has copies
		before, ok := known[id]
		if ok && (state == before.state || now.Sub(before.at) < due(before.state, state)) {
			continue
		}
		if s.leases.PutState(ctx, id, state) != nil {
			return // it is tried again
		}
		known[id] = shared{state, now}
	}
}

// due returns how old the state that others know may become.
func due(before, now apipush.State) time.Duration { //nolint:gocritic // as they are kept
	switch {
	case before.Status != now.Status:
		return 0
	case before.Failures != now.Failures, before.DeadLetters != now.DeadLetters:
		return shareAgain
	}
	return shareCounts
}
