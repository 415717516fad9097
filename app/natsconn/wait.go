package natsconn

import (
	"errors"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
)

// TimedOut reports whether a server was there, and did not come to an answer.
func TimedOut(err error) bool {
	var e net.Error
	return errors.Is(err, nats.ErrTimeout) || errors.As(err, &e) && e.Timeout()
}

// AuthTimedOut reports whether a server had not decided about a connection when its first
// PING was due, after two seconds: it asks usher, and nobody answers. nats.go says
// that in its text only.
func AuthTimedOut(err error) bool { return strings.Contains(err.Error(), "got 'PING'") }
