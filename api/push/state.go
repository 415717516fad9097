package push

import (
	"context"
	"time"

	"usher/api/wire"
	"usher/directory"
)

// State is how the pushes of a subscription go.
type State struct {
	Worker      string    `json:"worker,omitempty"` // the process that pushes; empty: none
	Status      string    `json:"status"`           // one of the Status constants
	Since       time.Time `json:"since,omitzero"`
	Failures    int       `json:"failures,omitempty"`   // attempts that failed one after the other
	LastError   string    `json:"last_error,omitempty"` // without any part of an address but its host
	LastSuccess time.Time `json:"last_success,omitzero"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	Delivered   uint64    `json:"delivered,omitempty"`    // by this worker, since Since
	DeadLetters uint64    `json:"dead_letters,omitempty"` // messages that this worker has given up
}

func (s *State) wire() *wire.PushState {
	return &wire.PushState{
		Status: s.Status, Worker: s.Worker, Since: wire.Time(s.Since), Delivered: s.Delivered, Failures: s.Failures,
		LastError: s.LastError, LastSuccess: wire.Time(s.LastSuccess), NextAttempt: wire.Time(s.NextAttempt), DeadLetters: s.DeadLetters,
	}
}

// The values of State.Status.
const (
	StatusActive     = "active"     // messages are pushed
	StatusRetrying   = "retrying"   // the last push failed
	StatusBlocked    = "blocked"    // the worker cannot read the messages, or not the header
	StatusUnverified = "unverified" // the endpoint is not verified
	StatusInactive   = "inactive"   // nobody pushes
)

// States tells how pushes go.
type States interface {
	// State returns the state of a subscription with a push configuration.
	State(ctx context.Context, project *directory.Project, sub *directory.Subscription) (State, error)
	// Workers lists the processes that push, sorted.
	Workers(ctx context.Context) ([]string, error)
}
