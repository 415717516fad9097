package servers

import (
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/session"
)

// Errors of the methods of Servers.
var (
	ErrNotConfigured = errors.New("no user of the system account is configured (sessions.user, sessions.nkey_file or sessions.creds_file)")
	ErrNotConnected  = errors.New("not connected to the system account")
	ErrNoAnswer      = errors.New("no server answers on the system account")
	ErrNotPermitted  = errors.New("the user of the system account lacks a permission")
	ErrStillOpen     = errors.New("no server has said that the connection is closed")
)

// Config configures Servers.
type Config struct {
	URLs    string        // of the servers, separated by commas; empty: nothing is configured
	Options []nats.Option // natsconn.SessionsOptions

	// Private are the callout account and the system account, as the servers name them. Their
	// connections are nobody's session.
	Private []string
	// AccountName returns the name of an account that servers name by its public key; nil: in
	// config mode they are the same.
	AccountName func(id string) string

	// Refused is called for each connection that a server did not let in; nil: nobody wants to
	// know. It returns at once.
	Refused func(Refusal)

	Now    func() time.Time
	Random func() float64 // of [0, 1), so that replicas do not ask at the same moment
	Log    *slog.Logger

	CheckEvery time.Duration // comparing numbers of connections; default 2 s
	ScanEvery  time.Duration // comparing lists of connections, on average; default 1 min
	AdoptAfter time.Duration // how long another replica has to tell of a connection; default 3 s
	GoneAfter  time.Duration // how long a server may be silent; default 10 s
	KickFor    time.Duration // how long Kick and KickAll try at most; default 30 s
	ScanPage   int           // connections that a server lists in one answer; default 1024
}

// Refusal is a connection that a server did not let in. Servers say so in the same way if
// usher has denied it and if they did not accept the user JWT that usher has issued.
type Refusal struct {
	session.ID
	ServerName string
	Reason     string // as the server says it; it names no cause
	At         time.Time
}

func (c *Config) defaults() {
	c.CheckEvery = orDefault(c.CheckEvery, 2*time.Second)
	c.ScanEvery = orDefault(c.ScanEvery, time.Minute)
	c.AdoptAfter = orDefault(c.AdoptAfter, 3*time.Second)
	c.GoneAfter = orDefault(c.GoneAfter, 10*time.Second)
	c.KickFor = orDefault(c.KickFor, 30*time.Second)
	if c.ScanPage == 0 {
		c.ScanPage = 1024
	}
	if c.AccountName == nil {
		c.AccountName = func(id string) string { return id }
	}
	if c.Refused == nil {
		c.Refused = func(Refusal) {}
	}
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
