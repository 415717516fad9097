package api

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"usher/api/bulk"
	"usher/api/messages"
	"usher/api/messages/ackid"
	"usher/api/projects"
	"usher/api/push"
	"usher/api/rest"
	"usher/api/sessions"
	"usher/api/users"
	"usher/api/wire"
	"usher/internal/audit"
	"usher/internal/tracing"
	"usher/permissions"
)

// Config is what the API needs.
type Config struct {
	Store  rest.Store
	Audit  func(audit.Change) // receives every change, whatever its outcome
	Now    func() time.Time
	Random io.Reader     // for keys and for ids of users and projects
	NewID  func() string // returns the id of a request
	Log    *slog.Logger
	Tracer *tracing.Tracer // makes spans of requests; nil: none

	// Explain returns what a user would get on connecting to NATS, as a value that
	// encodes to JSON. project is the project that the client asks for; it may be empty.
	Explain func(user, project string) any
	// Directory says how current the view of the directory is; nil: it is always current.
	Directory func() wire.Directory

	// Policy computes the grants of users; nil: service roles have no account, and roles
	// have no scope.
	Policy *permissions.Policy
	// MaxPayload returns max_payload of the servers in bytes. If it is nil or returns 0,
	// the limit is permissions.MaxAnswer.
	MaxPayload func() int64
	// Reserved lists the accounts that no project may use: the callout account and the
	// system account, by all their names.
	Reserved []string

	// Sessions is the live sessions; nil: none is known.
	Sessions sessions.Live
	// SessionClosed receives every session that is closed, for the audit; nil: nobody wants
	// to know.
	SessionClosed func(audit.SessionClosed)

	// PushServers says how the push servers are; nil: nothing is pushed. The route is open, so
	// it must cost little.
	PushServers func(context.Context) []wire.PushServer

	// LogOut acts on the logout tokens of identity providers; nil: there are none.
	LogOut sessions.LogOut

	// Accounts creates and closes accounts of projects; nil: this service does not.
	Accounts projects.Accounts
	// AccountRequired refuses a project without an account if Accounts is nil. It is set in
	// operator mode, where projects should not share one account by default.
	AccountRequired bool

	// Streams keeps the streams and consumers of projects; nil: somebody else does
	// (projects.streams: manual).
	Streams messages.Streams
	// Messages are the messages of projects; nil: this service serves none.
	Messages messages.Store
	// AckKeys are the keys of ack ids, of purpose ackid.Purpose; needed with Messages.
	AckKeys ackid.Keys
	// MessageMemory bounds the bytes of the messages of all requests in progress; 0:
	// messages.DefaultMemory.
	MessageMemory int64
	// MessageLimits bound how many requests for messages are in progress; 0: the defaults.
	MessageLimits messages.Limits
	// ServiceTokens are keys of services that are no users of the directory.
	ServiceTokens []rest.ServiceToken
	// Observe is told about every request that has ended; nil: nobody wants to know.
	Observe func(rest.Ended)

	// Push has the push configuration of subscriptions. Its Now is that of the API.
	Push push.Config

	Version        string
	DefaultAccount string        // of projects that set none; empty: they must set one
	KeyIn          rest.KeyIn    // default: header
	FailedKeys     float64       // failures per second of one client host; 0: no limit
	MaxBody        int64         // bytes; default: 1 MiB
	Timeout        time.Duration // of one request; default: 30 s
}

// setDefaults checks what package rest does not check.
func (c *Config) setDefaults() error {
	if c.Explain == nil {
		return errors.New("api: explanation is missing")
	}
	if c.Messages != nil && c.AckKeys == nil {
		return errors.New("api: keys of ack ids are missing")
	}
	c.KeyIn = cmp.Or(c.KeyIn, rest.KeyInHeader)
	return nil
}

func (c *Config) rest() rest.Config {
	return rest.Config{
		Store: c.Store, Audit: c.Audit, Now: c.Now, Random: c.Random, NewID: c.NewID, Log: c.Log, Tracer: c.Tracer,
		Policy: c.Policy, MaxPayload: c.MaxPayload, ServiceTokens: c.ServiceTokens, Observe: c.Observe,
		KeyIn: c.KeyIn, FailedKeys: c.FailedKeys, MaxBody: c.MaxBody, Timeout: c.Timeout,
	}
}

func (c *Config) users() *users.Handlers {
	return users.New(users.Config{Now: c.Now, Policy: c.Policy, Explain: c.Explain})
}

func (c *Config) messages() *messages.Handlers {
	wait := messages.DefaultWait
	if c.Timeout > 0 {
		wait = min(wait, c.Timeout/2) // the rest is for the answer
	}
	return messages.New(messages.Config{
		Store: c.Messages, Keys: c.AckKeys, Now: c.Now, Memory: c.MessageMemory, MaxPayload: c.MaxPayload, Wait: wait, Limits: c.MessageLimits,
	})
}

func (c *Config) sessions() *sessions.Handlers {
	return sessions.New(sessions.Config{Live: c.Sessions, Closed: c.SessionClosed, LogOut: c.LogOut, Now: c.Now})
}

func (c *Config) push() *push.Handlers {
	cfg := c.Push
	cfg.Now = c.Now
	return push.New(cfg)
}

func (c *Config) projects(p *push.Handlers) *projects.Handlers {
	return projects.New(projects.Config{
		Accounts: c.Accounts, AccountRequired: c.AccountRequired, DefaultAccount: c.DefaultAccount, Reserved: c.Reserved,
		Streams: c.Streams, Push: p,
	})
}

func (c *Config) bulk(p *projects.Handlers, seals *push.Handlers) *bulk.Handlers {
	return bulk.New(bulk.Config{Projects: p, Seal: seals.Seal, Doubts: seals.Doubts, DefaultAccount: c.DefaultAccount, AccountRequired: c.AccountRequired})
}
