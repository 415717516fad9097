package tokens

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/secret"
)

// Credential is what a client presented to nats-server, as the authorization request
// has it (NATS ADR-26: connect_opts, client_info, client_tls). Only VerifiedChains and
// what the client cannot choose, such as Host and Nonce, are known to be true.
type Credential struct {
	AuthToken string // auth_token, also from the user part of a URL
	User      string
	Password  string

	NATSJWT   string // jwt: a NATS user JWT; in operator mode possibly the sentinel, which many clients share
	NKey      string // nkey: the public nkey of a client that signed the nonce
	Signature string // sig: of Nonce, base64url without padding
	Nonce     string // of the server; empty if the client did not sign

	// VerifiedChains are the chains of the client's TLS certificate that nats-server
	// verified, each from the certificate of the client to a root, as PEM texts.
	VerifiedChains [][]string

	Host       string // client address, as nats-server sees it
	Connection identity.Connection

	// For verifiers that tell other systems who asks. No part of the decision itself.
	RequestID string // in log and audit; empty outside of a request
	Client    Client
	Server    Server

	current  func() *snapshot.Snapshot // set by Bind
	pinned   *snapshot.Snapshot        // the directory of this decision, if isPinned
	isPinned bool

	known directory.Digest // set by SetDigest
}

// Client is what an authorization request says about the client besides its credential.
// Only Kind and Type come from the server; the client chooses the rest.
type Client struct {
	Name, Lang, Version string
	Kind                string // "Client" or "Leafnode"
	Type                string // "nats", "mqtt" or "websocket"; empty for leaf nodes
}

// Server is the nats-server that the client connects to.
type Server struct {
	Name, ID, Cluster string
	Tags              []string
}

// Bind begins a decision about the credential. The first call of Directory then pins
// what current returns, for the whole decision.
func (c *Credential) Bind(current func() *snapshot.Snapshot) {
	c.current, c.pinned, c.isPinned = current, nil, false
}

// Directory returns the snapshot that this decision is based on; nil: no directory is
// loaded. The first call takes the newest one, and later calls, up to the grant, return
// the same. A verifier that waits for another system calls Directory after the wait.
// Without Bind, the snapshot is that of fallback.
func (c *Credential) Directory(fallback func() *snapshot.Snapshot) *snapshot.Snapshot {
	if c.isPinned {
		return c.pinned
	}
	if c.current != nil {
		fallback = c.current
	}
	c.pinned, c.isPinned = fallback(), true
	return c.pinned
}

// outdated reports whether there is another directory now than the one of this decision.
func (c *Credential) outdated() bool {
	return c.isPinned && c.current != nil && c.current() != c.pinned
}

// releaseDirectory lets the next verifier take the newest directory: the last one did
// not decide, and it may have waited.
func (c *Credential) releaseDirectory() { c.pinned, c.isPinned = nil, false }

const hidden = "[credential]"

// String keeps secrets out of logs.
func (Credential) String() string { return hidden }

// Format keeps secrets out of every verb of fmt, also the unsuitable ones.
func (Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText keeps secrets out of JSON.
func (Credential) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue keeps secrets out of slog.
func (Credential) LogValue() slog.Value { return slog.StringValue(hidden) }

// Token returns the token of the credential: the auth_token, else the password, else
// the user name unless that selects a project or an account. Empty: the client presented
// none of them.
//
// MQTT clients send no auth_token; nats-server copies their password into it.
func (c *Credential) Token() string {
	switch {
	case c.AuthToken != "":
		return c.AuthToken
	case c.Password != "":
		return c.Password
	case strings.Contains(c.User, "="): // the quick answer for most user names
		if s, err := c.UserSelection(); err != nil || !s.IsZero() {
			return ""
		}
	}
	return c.User
}

// TokenToShow is Token for verifiers that show it to another system. A user name alone is
// none: nats-server in operator mode asks again with the name of the user JWT as user name,
// and without the token that the client sent.
func (c *Credential) TokenToShow() string {
	if c.AuthToken == "" && c.Password == "" {
		return ""
	}
	return c.Token()
}

// Filter returns a filter that hides the credential in every text of its request. It
// hides the user name only if that is the token.
func (c *Credential) Filter() secret.Filter {
	return secret.NewFilter(c.Token(), c.Password, c.NATSJWT, c.Signature)
}

// Anonymous reports whether the client presented nothing but a TLS certificate and, in
// operator mode, the JWT that every client needs.
func (c *Credential) Anonymous() bool { return c.Token() == "" && c.NKey == "" && c.Signature == "" }

// FailureKey returns the text by which the failures of a credential are counted: the user
// name and password, the token or, without one, the public nkey or the certificate of the
// client. It may be secret. A password alone does not do: people choose the same ones, and
// nobody may use up the failures of others by trying a usual one with other names.
// Empty: the client presented none of them. Anybody can present an nkey without its seed,
// so a credential with too many failures must still be accepted if it is good.
func (c *Credential) FailureKey() string {
	switch token := c.Token(); {
	case token != "" && token == c.Password && c.UserName() != "":
		return c.UserName() + "\x00" + token
	case token != "":
		return token
	case c.NKey != "":
		return c.NKey
	case len(c.VerifiedChains) > 0 && len(c.VerifiedChains[0]) > 0:
		return c.VerifiedChains[0][0]
	default:
		return ""
	}
}

// ErrEmptySelection: the user name is "project=" or "account=" without a name. Without
// this error, a client with an unset variable would get more than it asks for.
var ErrEmptySelection = errors.New("the user name asks for a project or an account without naming it")

// Selection returns the project or account that the user name asks for: "project=P" or
// "account=A", also after a name and a comma. That is the form of the name of a user
// JWT (permissions.JWTName), which nats-server sends as user name when it asks again.
// Any other user name asks for nothing. The error is ErrEmptySelection.
//
// It is for verifiers of tokens: a user name that is the token asks for nothing.
func (c *Credential) Selection() (identity.Selection, error) {
	if c.User == c.Token() {
		return identity.Selection{}, nil
	}
	return c.UserSelection()
}

// UserSelection is Selection for verifiers whose credential is not a token, such as a
// signature or a certificate: nothing but the user name may be set.
func (c *Credential) UserSelection() (identity.Selection, error) {
	var s identity.Selection
	user := c.User
	if name, rest, ok := strings.Cut(user, ","); ok && !strings.Contains(name, "=") { // user names have no "="
		user = rest
	}
	project, isProject := strings.CutPrefix(user, identity.SelectProject)
	account, isAccount := strings.CutPrefix(user, identity.SelectAccount)
	switch {
	case isProject:
		s.Project = project
	case isAccount:
		s.Account = account
	default:
		return s, nil
	}
	if s.IsZero() {
		return s, ErrEmptySelection
	}
	return s, nil
}

// UserName returns the name in the user name: "alice" of "alice" and of
// "alice,project=shop"; empty if the user name is only a selection.
func (c *Credential) UserName() string {
	name, rest, ok := strings.Cut(c.User, ",")
	switch {
	case ok && !strings.Contains(name, "=") && selects(rest):
		return name
	case selects(c.User):
		return ""
	default:
		return c.User
	}
}

func selects(text string) bool {
	return strings.HasPrefix(text, identity.SelectProject) || strings.HasPrefix(text, identity.SelectAccount)
}

// Addr returns the address of the client, or the zero Addr if the request has none, as
// for in-process clients.
func (c *Credential) Addr() netip.Addr {
	a, err := netip.ParseAddr(c.Host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
