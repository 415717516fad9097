// Package push sends the messages of push-enabled subscriptions to their endpoints: retries,
// order, dead letters. It promises that a message is acknowledged only after its endpoint has
// taken it (at least once), and that a dead endpoint costs other subscriptions nothing. It
// knows neither where messages come from (Source) nor who else pushes (package
// app/push/lease).
package push

import (
	"context"
	"time"

	"usher/directory"
)

// Subscription is what a Worker pushes.
type Subscription struct {
	ID      string // names the subscription among all: the lease and the state are kept by it
	Project string // name
	Name    string // "S" of "/projects/P/subscriptions/S"
	Push    directory.Push
	Source  Source
	// AckDeadline is after how long the Source delivers a message again unless it is extended
	// or acknowledged; 0: 10 s.
	AckDeadline time.Duration
	// Authorization returns the Authorization header; empty: none. An error means that it is
	// not known now: then nothing is pushed. nil: no header.
	Authorization func(ctx context.Context) (string, error)
	// Previous returns the value of the header before its rotation. An endpoint that answers
	// with 401 or 403 gets it until Push.Authorization.PreviousUntil. nil: there is none.
	Previous func(ctx context.Context) (string, error)
	// Keep: no message is given up, because the Source has no place for dead letters.
	Keep bool
	// Current reports whether Push is still what is configured. A Worker asks before each push,
	// because Set may be late. nil: it is.
	Current func() bool
}

// Source has the messages of one subscription. A Worker calls Next from one goroutine, and
// the others from several.
type Source interface {
	// Next waits until there is a message, and returns at most limit. After an error it returns
	// none as soon as messages can be read again.
	Next(ctx context.Context, limit int) ([]Message, error)
	// Acknowledge says that messages were taken. It returns once that is stored.
	Acknowledge(ctx context.Context, messages []Message) error
	// Extend keeps messages from being delivered again while they are tried.
	Extend(ctx context.Context, messages []Message) error
	// Return gives messages back, so that they are delivered again, at once, to whoever works
	// on the subscription.
	Return(ctx context.Context, messages []Message) error
	// Bury stores a message as a dead letter and acknowledges it. Its Deliveries are all attempts.
	Bury(ctx context.Context, message Message) error
	// Close ends what the source holds open.
	Close()
}

// Message is a message of a subscription.
type Message struct {
	ID         string
	Data       []byte
	Attributes map[string]string
	Published  time.Time
	Deliveries uint64 // from 1
	Handle     any    // of the Source
}
