package tokens

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/secret"
)

// Credential is what a client presented to nats-server, as the request says it
// (ADR-26: connect_opts, client_info, client_tls).
type Credential struct {
	AuthToken string // auth_token, also from the user part of a URL
	User      string
	Password  string

	Host       string // address that the client connects from, as nats-server sees it
	Connection identity.Connection

	current func() *snapshot.Snapshot // of the decision that it is in; nil: it is in none
	view    *snapshot.Snapshot
	viewed  bool // view is what this decision sees
}

// Bind begins a decision about the credential: from the first time that somebody
// asks for the directory, all of it is on what current returns then.
func (c *Credential) Bind(current func() *snapshot.Snapshot) {
	c.current, c.view, c.viewed = current, nil, false
}

// Directory returns the directory that the decision about the credential is made
// on; nil: none is loaded. Who asks first takes the newest, and who comes after it,
// up to the grant, sees that one. A verifier that waits for somebody asks when it
// has waited. Of a credential that is in no decision, it is what otherwise returns.
func (c *Credential) Directory(otherwise func() *snapshot.Snapshot) *snapshot.Snapshot {
	if c.viewed {
		return c.view
	}
	if c.current != nil {
		otherwise = c.current
	}
	c.view, c.viewed = otherwise(), true
	return c.view
}

// unseen lets the next verifier take the newest directory: what the last one saw
// has decided nothing, and it may have waited.
func (c *Credential) unseen() { c.view, c.viewed = nil, false }

const hidden = "[credential]"

// String keeps secrets out of logs, whatever prints the credential.
func (Credential) String() string { return hidden }

// Format keeps secrets out of every verb of fmt, the wrong ones too.
func (Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText keeps secrets out of JSON, also where a credential is a field.
func (Credential) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue keeps secrets out of slog.
func (Credential) LogValue() slog.Value { return slog.StringValue(hidden) }

// Token returns the token of the credential: auth_token, or else the password
// whatever the user name, or else the user name alone. Empty: there is none.
//
// MQTT clients have no auth_token; nats-server copies their password into it.
func (c *Credential) Token() string {
	switch {
	case c.AuthToken != "":
		return c.AuthToken
	case c.Password != "":
		return c.Password
	default:
		return c.User
	}
}

// Filter returns what hides the credential in everything that is said of the
// request it came with. The user name is no part of it, unless it is the token.
func (c *Credential) Filter() secret.Filter { return secret.NewFilter(c.Token(), c.Password) }

// ErrEmptySelection: the user name begins to ask for something, and does not
// say for what. Taking that for "everything" would give a client with an unset
// variable more than it asked for.
var ErrEmptySelection = errors.New("the user name asks for a project or an account without naming it")

// Selection returns what the user name asks to be bound to: "project=P" or
// "account=A". It may stand behind a name and a comma, as in the name of a user JWT
// (permissions.JWTName): nats-server gives that as user name when it asks again. Any
// other user name, or none, asks for nothing. The error is ErrEmptySelection.
func (c *Credential) Selection() (identity.Selection, error) {
	var s identity.Selection
	if c.User == c.Token() {
		return s, nil // the user name is the token
	}
	user := c.User
	if name, behind, ok := strings.Cut(user, ","); ok && !strings.Contains(name, "=") { // no name of a user has "="
		user = behind
	}
	project, ofProject := strings.CutPrefix(user, identity.SelectProject)
	account, ofAccount := strings.CutPrefix(user, identity.SelectAccount)
	switch {
	case ofProject:
		s.Project = project
	case ofAccount:
		s.Account = account
	default:
		return s, nil
	}
	if s.IsZero() {
		return s, ErrEmptySelection
	}
	return s, nil
}

// Addr returns the address the client connects from, or the zero Addr if
// nats-server did not give one (in-process clients have none).
func (c *Credential) Addr() netip.Addr {
	a, err := netip.ParseAddr(c.Host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
