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

// Kind is the transport between clients and server.
type Kind string

// The kinds.
const (
	TCP       Kind = "tcp"
	WebSocket Kind = "websocket"
)

var (
	// ErrConfig: a number is out of range, or the clock is missing.
	ErrConfig = errors.New("invalid configuration of a load")
	// ErrRemote: a server is not on this machine, and the target does not allow that.
	ErrRemote = errors.New("not a loopback address")
	// ErrServer: a server is not given by a valid URL.
	ErrServer = errors.New("not the URL of a NATS server")
	// ErrKind: a URL is of another kind than the target or than another URL.
	ErrKind = errors.New("kind and URL do not match")
)

// Target describes what clients connect to, and their credentials.
type Target struct {
	Servers     []string                                                     // URLs, such as "nats://127.0.0.1:4222"; required
	Kind        Kind                                                         // default: the kind of the URLs
	AllowRemote bool                                                         // false: every address must be loopback
	Tokens      []string                                                     // client i presents token i modulo their number; empty: no credential
	User        string                                                       // user name; the tokens are passwords then
	TLSFirst    bool                                                         // start with the TLS handshake, before INFO
	Certificate *tls.Certificate                                             // client certificate; default: none
	RootCAs     *x509.CertPool                                               // default: the root CAs of the system
	Lookup      func(ctx context.Context, host string) ([]netip.Addr, error) // default: the resolver of the system
}

// valid returns the target with its defaults and complete URLs.
func (t Target) valid(ctx context.Context) (Target, error) {
	if t.Lookup == nil {
		t.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if len(t.Servers) == 0 {
		return t, fmt.Errorf("%w: no URL is given", ErrServer)
	}
	servers := make([]string, len(t.Servers))
	for i, text := range t.Servers {
		u, err := t.parseURL(strings.TrimSpace(text))
		if err != nil {
			return t, err
		}
		kind := kindOf(u)
		if t.Kind == "" {
			t.Kind = kind
		}
		if t.Kind != kind {
			return t, fmt.Errorf("%w: %s is not a URL for %s", ErrKind, u, t.Kind)
		}
		if err := t.checkLoopback(ctx, u.Hostname()); err != nil {
			return t, err
		}
		servers[i] = u.String()
	}
	t.Servers = servers
	return t, nil
}

// parseURL parses one URL. Its errors never repeat a credential in the URL.
func (t Target) parseURL(text string) (*url.URL, error) {
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
		return nil, fmt.Errorf("%w: it must not contain a user name or password", ErrServer)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrServer, errors.Unwrap(err)) // without the URL
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

// secure reports whether clients use TLS.
func (t Target) secure() bool {
	return t.RootCAs != nil || t.TLSFirst || t.Certificate != nil || slices.ContainsFunc(t.Servers, func(s string) bool {
		return strings.HasPrefix(s, "tls:") || strings.HasPrefix(s, "wss:")
	})
}

// displayURLs returns the URLs to print, without anything that may be a credential.
func (t Target) displayURLs() []string {
	urls := make([]string, len(t.Servers))
	for i, s := range t.Servers {
		if u, err := url.Parse(s); err == nil {
			urls[i] = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
		}
	}
	return urls
}

// checkLoopback returns ErrRemote unless all addresses of a host are loopback addresses or
// remote addresses are allowed.
func (t Target) checkLoopback(ctx context.Context, host string) error {
	if t.AllowRemote {
		return nil
	}
	addrs, err := t.addresses(ctx, host)
	if err != nil {
		return fmt.Errorf("look up %s: %w", host, err)
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

// options returns the options of all connections: the defaults of nats.go, as applications
// use them.
func (t Target) options() nats.Options {
	o := nats.GetDefaultOptions()
	o.Name = "usher-bench"
	o.Servers = t.Servers
	o.IgnoreDiscoveredServers = true // they may be on other machines
	o.SkipHostLookup = true          // the dialer does the lookup, so that one dial is one attempt
	o.NoCallbacksAfterClientClose = true
	o.AsyncErrorCB = func(*nats.Conn, *nats.Subscription, error) {} // nats.go would print them
	if t.RootCAs != nil || t.Certificate != nil || t.TLSFirst {
		// nats.RootCAs does the same, but reads the file for each connection.
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
