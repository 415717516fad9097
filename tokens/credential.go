package tokens

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"

	"usher/identity"
)

// Credential is what a client presented to nats-server, as the request says it
// (ADR-26: connect_opts, client_info, client_tls).
type Credential struct {
	AuthToken string // auth_token, also from the user part of a URL
	User      string
	Password  string

	Host string // address that the client connects from, as nats-server sees it
}

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

// Prefixes of a user name that select what the connection is bound to.
const (
	selectProject = "project="
	selectAccount = "account="
)

// Selection returns what the user name asks to be bound to: "project=P" or
// "account=A". Any other user name, or none, asks for nothing.
func (c *Credential) Selection() identity.Selection {
	if c.User == c.Token() {
		return identity.Selection{} // the user name is the token
	}
	if p, ok := strings.CutPrefix(c.User, selectProject); ok {
		return identity.Selection{Project: p}
	}
	if a, ok := strings.CutPrefix(c.User, selectAccount); ok {
		return identity.Selection{Account: a}
	}
	return identity.Selection{}
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
