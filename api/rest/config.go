package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/tracing"
	"usher/permissions"
)

// Store is a directory that can be changed, such as the one of directory/kv. Change
// calls f with the current snapshot. It calls f again as long as other writers commit
// first, and returns the snapshot that contains the change.
type Store interface {
	Snapshot() *snapshot.Snapshot // nil: nothing is loaded
	Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)
}

// KeyIn is where a request carries its key.
type KeyIn string

// The places of a key. Proxies log URLs, so a key in the query leaks into their logs.
const (
	KeyInHeader KeyIn = "header" // x-api-key
	KeyInQuery  KeyIn = "query"  // ?key=
	KeyInBoth   KeyIn = "both"   // a header that is not empty takes precedence over the query
)

// KeyIns lists every place of a key.
func KeyIns() []KeyIn { return []KeyIn{KeyInHeader, KeyInQuery, KeyInBoth} }

// Ended is a request that has ended.
type Ended struct {
	ID     string
	Route  string // of the API's table, or "unknown"
	Status int    // of the answer; 0: the client went away before it
	Took   time.Duration
	At     time.Time
}

// Config is what a Router needs.
type Config struct {
	Store  Store
	Audit  func(audit.Change) // receives every change, whatever its outcome
	Now    func() time.Time
	Random io.Reader     // for keys and for ids of users and projects
	NewID  func() string // returns the id of a request
	Log    *slog.Logger
	Tracer *tracing.Tracer // makes spans of requests; nil: none

	// Policy computes the grants of users; nil: service roles have no account, and roles
	// have no scope.
	Policy *permissions.Policy
	// MaxPayload returns max_payload of the servers in bytes. If it is nil or returns 0,
	// the limit is permissions.MaxAnswer.
	MaxPayload func() int64

	// ServiceTokens are keys of services that are no users of the directory.
	ServiceTokens []ServiceToken
	// Observe is told about every request that has ended; nil: nobody wants to know.
	Observe func(Ended)

	KeyIn      KeyIn         // default: header
	FailedKeys float64       // failures per second of one client host; 0: no limit
	MaxBody    int64         // bytes; default: 1 MiB
	Timeout    time.Duration // of one request; default: 30 s
}

// Defaults.
const (
	defaultMaxBody = 1 << 20
	defaultTimeout = 30 * time.Second
)

// setDefaults checks the configuration and fills in the defaults.
func (c *Config) setDefaults() error {
	for _, field := range []struct {
		missing bool
		name    string
	}{
		{c.Store == nil, "store"},
		{c.Audit == nil, "audit"},
		{c.Now == nil, "clock"},
		{c.Random == nil, "source of randomness"},
		{c.NewID == nil, "source of request ids"},
		{c.Log == nil, "log"},
	} {
		if field.missing {
			return fmt.Errorf("api: %s is missing", field.name)
		}
	}
	if c.Policy == nil {
		c.Policy = &permissions.Policy{}
	}
	if c.MaxPayload == nil {
		c.MaxPayload = func() int64 { return permissions.MaxAnswer }
	}
	switch c.KeyIn {
	case "":
		c.KeyIn = KeyInHeader
	case KeyInHeader, KeyInQuery, KeyInBoth:
	default:
		return errors.New("api: place of the key: expected header, query or both")
	}
	if c.MaxBody <= 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return nil
}
