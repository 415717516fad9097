package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Kind is how clients speak with the server.
type Kind string

// The kinds.
const (
	TCP       Kind = "tcp"
	WebSocket Kind = "websocket"
)

var (
	// ErrConfig: a number is out of its range, or the clock is missing.
	ErrConfig = errors.New("not a load that can be made")
	// ErrRemote: a server is not on this machine, and the target does not allow that.
	ErrRemote = errors.New("not a loopback address")
	// ErrServer: what should be a server's URL is none.
	ErrServer = errors.New("not the URL of a NATS server")
	// ErrKind: the URLs are of another kind, or of several.
	ErrKind = errors.New("kind and URL do not fit")
)

// Target is what clients connect to, and with what.
type Target struct {
	Servers     []string                                                     // URLs, such as "nats://127.0.0.1:4222"; needed
	Kind        Kind                                                         // default: what the URLs say
	AllowRemote bool                                                         // else every address must be loopback
	Tokens      []string                                                     // client i takes token i, from the start again when they run out; none: no credential
	User        string                                                       // user name that goes with the tokens, which are passwords then
	TLSFirst    bool                                                         // begin with the TLS handshake
	Certificate *tls.Certificate                                             // of the clients; default: none
	RootCAs     *x509.CertPool                                               // default: the system's
	Lookup      func(ctx context.Context, host string) ([]netip.Addr, error) // default: the system's
}

// valid returns the target with its defaults, and its URLs complete.
func (t Target) valid(ctx context.Context) (Target, error) {
	if t.Lookup == nil {
		t.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if len(t.Servers) == 0 {
		return t, fmt.Errorf("%w: none is given", ErrServer)
	}
	servers := make([]string, len(t.Servers))
	for i, text := range t.Servers {
		u, err := t.parse(strings.TrimSpace(text))
		if err != nil {
			return t, err
		}
		kind := kindOf(u)
		if t.Kind == "" {
			t.Kind = kind
		}
		if t.Kind != kind {
			return t, fmt.Errorf("%w: %s is not for %s", ErrKind, u, t.Kind)
		}
		if err := t.near(ctx, u.Hostname()); err != nil {
			return t, err
		}
		servers[i] = u.String()
	}
	t.Servers = servers
	return t, nil
}

// parse reads one URL. A credential in it is not repeated in an error.
func (t Target) parse(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		scheme := "nats"
		if t.Kind == WebSocket {
			scheme = "ws"
		}
		text = scheme + "://" + text
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"):
		return nil, fmt.Errorf("%w: it must not hold user and password", ErrServer)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrServer, errors.Unwrap(err)) // without the URL around it
	case u.Hostname() == "":
		return nil, fmt.Errorf("%w: %s has no host", ErrServer, text)
	case kindOf(u) == "":
		return nil, fmt.Errorf("%w: its scheme is %s, not nats, tls, ws or wss", ErrServer, u.Scheme)
	}
	return u, nil
}

func kindOf(u *url.URL) Kind {
	switch u.Scheme {
	case "nats", "tls":
		return TCP
	case "ws", "wss":
		return WebSocket
	default:
		return ""
	}
}

// secure reports whether clients want TLS.
func (t Target) secure() bool {
	return t.RootCAs != nil || t.TLSFirst || t.Certificate != nil || slices.ContainsFunc(t.Servers, func(s string) bool {
		return strings.HasPrefix(s, "tls:") || strings.HasPrefix(s, "wss:")
	})
}

// names returns the URLs to be printed: without what might be a credential.
func (t Target) names() []string {
	names := make([]string, len(t.Servers))
	for i, s := range t.Servers {
		if u, err := url.Parse(s); err == nil {
			names[i] = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
		}
	}
	return names
}

// near finds out that a host is on this machine: that all its addresses are
// loopback.
func (t Target) near(ctx context.Context, host string) error {
	if t.AllowRemote {
		return nil
	}
	addrs, err := t.addresses(ctx, host)
	if err != nil {
		return fmt.Errorf("find out where %s is: %w", host, err)
	}
	for _, a := range addrs {
		switch err := t.allow(a); {
		case err != nil && a.String() != host:
			return fmt.Errorf("%s: %w", host, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// options are what all connections have in common: nats.go's defaults, as
// applications have them.
func (t Target) options() nats.Options {
	o := nats.GetDefaultOptions()
	o.Name = "usher-bench"
	o.Servers = t.Servers
	o.IgnoreDiscoveredServers = true // they may lie elsewhere
	o.SkipHostLookup = true          // the dialer does it, so that one dial is one attempt
	o.NoCallbacksAfterClientClose = true
	o.AsyncErrorCB = func(*nats.Conn, *nats.Subscription, error) {} // nats.go would print them
	if t.RootCAs != nil || t.Certificate != nil || t.TLSFirst {
		// As nats.RootCAs has it, which reads the file for each connection.
		o.Secure, o.TLSHandshakeFirst = true, t.TLSFirst
		o.TLSConfig = &tls.Config{RootCAs: t.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if t.Certificate != nil {
		o.TLSConfig.Certificates = []tls.Certificate{*t.Certificate}
	}
	return o
}

// token returns the token of client i.
func (t Target) token(i int) string {
	if len(t.Tokens) == 0 {
		return ""
	}
	return t.Tokens[i%len(t.Tokens)]
}
