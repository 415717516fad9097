package exchange

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
)

// Config configures an Exchange. OnMembers, Contested, Heartbeat and Wait may be left out.
type Config struct {
	URLs     string // separated by commas
	Options  []nats.Option
	Account  string // the callout account, which the connection must be in
	Registry *sessions.Registry
	Instance string // differs for each process; one token
	Keys     Keys
	Now      func() time.Time
	Log      *slog.Logger

	// OnMembers is called after the replicas among which Mine chooses have changed. It is
	// never called concurrently.
	OnMembers func()

	// Contested is told of connections of which nobody knows what was granted last. It returns
	// at once.
	Contested func(*sessions.Contest)

	// Heartbeat is how often a replica is heard of at least; default 1s. One that was not
	// heard of for three times as long is gone. All replicas have the same.
	Heartbeat time.Duration

	// Wait is how long a replica that starts waits for the sessions of the others before it
	// says all the same that it is complete; default 5s.
	Wait time.Duration
}

const (
	defaultHeartbeat = time.Second
	defaultWait      = 5 * time.Second
	missedHeartbeats = 3 // until a replica is gone
)

func (c *Config) valid() error {
	switch {
	case c.Registry == nil:
		return errors.New("exchange of sessions: no registry given")
	case c.Keys == nil:
		return errors.New("exchange of sessions: no keys given")
	case c.Now == nil || c.Log == nil:
		return errors.New("exchange of sessions: no clock or no log given")
	case !validInstance(c.Instance):
		return errors.New("exchange of sessions: the instance is not one token of a subject")
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	return nil
}

func (c *Config) goneAfter() time.Duration { return missedHeartbeats * c.Heartbeat }

const maxInstance = 64 // bytes

func validInstance(s string) bool {
	return s != "" && len(s) <= maxInstance && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(".*>", r)
	})
}
