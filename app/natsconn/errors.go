package natsconn

import (
	"errors"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
)

// TimedOut reports whether a server accepted the connection but did not answer in time.
func TimedOut(err error) bool {
	var e net.Error
	return errors.Is(err, nats.ErrTimeout) || errors.As(err, &e) && e.Timeout()
}

// AuthTimedOut reports whether a server did not authorize the connection in time: until its
// first PING was due, after two seconds, or until its authorization.timeout. It waits for
// usher, and usher does not answer. nats.go has no error values for these, only texts.
func AuthTimedOut(err error) bool {
	text := err.Error()
	return strings.Contains(text, "got 'PING'") || strings.Contains(strings.ToLower(text), "authentication timeout")
}

// FileError is about a file that the configuration names.
type FileError struct {
	Key  string // such as nats.tls.ca_file
	Path string // not in the text: what was given as a path may be a secret
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }
