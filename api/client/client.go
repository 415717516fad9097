// Package client speaks to the management API of usher, /v1, over HTTP.
//
// It promises that the key leaves this machine in the header x-api-key and nowhere
// else: not in a URL, not in an error, not unencrypted to another machine unless
// told so, and not to where a server would redirect to. It goes straight to the
// server, through no proxy, and answers within the time it was given. A list that
// the server answers in pages comes back whole.
//
// It keeps no state and tries nothing again, but for ChangeACL.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"usher/api/wire"
)

// DefaultTimeout is how long a request may take that was given no time.
const DefaultTimeout = 30 * time.Second

// The faults of a Config. None says what was found: it may hold a secret.
var (
	ErrServer    = errors.New("not the address of a server: expected https://HOST:PORT")
	ErrPlainHTTP = errors.New("the key would go over the network unencrypted (http)")
	ErrKey       = errors.New("not an API key: expected one word of printable ASCII")
	ErrRoots     = errors.New("holds no certificate (PEM)")
)

// Config says which server, and who asks.
type Config struct {
	Server       string        // https://HOST:PORT; a path before /v1 may follow
	Key          string        // API key; empty: only what is open to everybody works
	CA           []byte        // PEM of the authorities that vouch for the server; nil: those of the system
	InsecureHTTP bool          // sends the key in the clear, to any machine
	Timeout      time.Duration // of one request, with its answer; 0: DefaultTimeout
	UserAgent    string
}

// Client calls the API of one server. It is safe for concurrent use.
type Client struct {
	base      string // without a slash at the end
	key       string
	userAgent string
	http      *http.Client
}

// New checks the configuration; it connects to nothing. An error is one of those above.
func New(cfg *Config) (*Client, error) {
	base, err := baseURL(cfg)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(cfg.Key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, ErrKey
	}
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA != nil {
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, ErrRoots
		}
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return &Client{
		base: base, key: cfg.Key, userAgent: cfg.UserAgent,
		http: &http.Client{
			Timeout: timeout,
			Transport: &http.Transport{ // Proxy is nil: the environment decides nothing
				DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
				TLSClientConfig:     security,
				TLSHandshakeTimeout: timeout,
				ForceAttemptHTTP2:   true,
			},
			// The key would go along.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func baseURL(cfg *Config) (string, error) {
	u, err := url.Parse(cfg.Server)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", ErrServer
	}
	switch u.Scheme {
	case "https":
	case "http":
		if cfg.Key != "" && !cfg.InsecureHTTP && !loopback(u.Hostname()) {
			return "", ErrPlainHTTP
		}
	default:
		return "", ErrServer
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// loopback reports whether a host is this machine, by its name or address alone.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// Close ends the connections that are kept for the next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Version says what runs there; it takes no key.
func (c *Client) Version(ctx context.Context) (*wire.Version, error) {
	v, _, err := fetch[wire.Version](ctx, c, http.MethodGet, path("version"))
	return v, err
}

// Status says how it is, and how current its view of the directory; it takes no key.
func (c *Client) Status(ctx context.Context) (*wire.Status, error) {
	s, _, err := fetch[wire.Status](ctx, c, http.MethodGet, path("status"))
	return s, err
}

// Server returns the address that requests go to.
func (c *Client) Server() string { return c.base }
