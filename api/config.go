package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/permissions"
)

// Store is a directory that can be changed, such as that of directory/kv. Change
// computes a change on the directory as it is, as often as it takes until nobody
// was faster, and returns the snapshot with the change in it.
type Store interface {
	Snapshot() *snapshot.Snapshot // nil: nothing is loaded
	Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)
}

// KeyIn is where a request has its key.
type KeyIn string

// The places of a key. In a URL it stands in the logs of every proxy on the way.
const (
	KeyInHeader KeyIn = "header" // x-api-key
	KeyInQuery  KeyIn = "query"  // ?key=
	KeyInBoth   KeyIn = "both"   // a header that is not empty wins, and decides alone
)

// KeyIns lists every place of a key.
func KeyIns() []KeyIn { return []KeyIn{KeyInHeader, KeyInQuery, KeyInBoth} }

// Config is what a server of the API needs.
type Config struct {
	Store  Store
	Audit  func(audit.Change) // hears of every change, whatever became of it
	Now    func() time.Time
	Random io.Reader     // of keys and of ids of users and projects
	NewID  func() string // of requests
	Log    *slog.Logger

	// Explain says what a user would get on connecting to NATS, as it stands in
	// JSON; project is what it would ask for, or empty.
	Explain func(user, project string) any
	// Directory says how current the view is; nil: it always is.
	Directory func() wire.Directory

	// Policy says what users get on connecting to NATS; nil: service roles are bound
	// to no account, and roles to no scope.
	Policy *permissions.Policy
	// MaxPayload returns max_payload of the servers; nil, or 0: it is not known, and
	// answers are as large as a JWT may be.
	MaxPayload func() int64
	// Reserved lists the accounts that no project may be in: the callout account and
	// the system account, under all their names.
	Reserved []string

	// Accounts makes and closes accounts of projects; nil: this service does not.
	Accounts Accounts
	// AccountStated demands an account of every project that Accounts makes none for:
	// operator mode, where a project should have one of its own.
	AccountStated bool

	Version        string
	DefaultAccount string        // of projects that state none; empty: they have to
	KeyIn          KeyIn         // default: header
	FailedKeys     float64       // failures a second of one client host; 0: no limit
	MaxBody        int64         // bytes; default: 1 MiB
	Timeout        time.Duration // of one request; default: 30 s
}

// Defaults.
const (
	defaultMaxBody = 1 << 20
	defaultTimeout = 30 * time.Second
)

func (c *Config) valid() error {
	for _, need := range []struct {
		missing bool
		what    string
	}{
		{c.Store == nil, "store"},
		{c.Audit == nil, "audit"},
		{c.Now == nil, "clock"},
		{c.Random == nil, "randomness"},
		{c.NewID == nil, "source of request ids"},
		{c.Log == nil, "log"},
		{c.Explain == nil, "explanation"},
	} {
		if need.missing {
			return fmt.Errorf("api: no %s given", need.what)
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
		return errors.New("api: the key is in header, query or both")
	}
	if c.MaxBody <= 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return nil
}
