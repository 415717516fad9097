package projects

import (
	"usher/api/messages"
	"usher/api/push"
)

// Config is what the handlers need.
type Config struct {
	// Accounts creates and closes accounts of projects; nil: this service does not.
	Accounts Accounts
	// AccountRequired refuses a project without an account if Accounts is nil. It is set in
	// operator mode, where projects should not share one account by default.
	AccountRequired bool
	// DefaultAccount is the account of projects that set none; empty: they must set one.
	DefaultAccount string
	// Reserved lists the accounts that no project may use: the callout account and the
	// system account, by all their names.
	Reserved []string
	// Streams keeps the streams and consumers of projects; nil: somebody else does.
	Streams messages.Streams
	// Push has the push configuration of subscriptions; nil: one with the default rules.
	Push *push.Handlers
}

// Handlers are the handlers of this package.
type Handlers struct{ cfg Config }

// New returns the handlers. The zero Config is enough for Routes.
func New(cfg Config) *Handlers {
	if cfg.Push == nil {
		cfg.Push = push.New(push.Config{})
	}
	return &Handlers{cfg}
}

// CreatesAccounts reports whether the service creates accounts of projects.
func (h *Handlers) CreatesAccounts() bool { return h.cfg.Accounts != nil }
