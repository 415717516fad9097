package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"usher/api/wire"
)

// DefaultTimeout is the timeout of one request if Config sets none.
const DefaultTimeout = 30 * time.Second

// The errors of New. None quotes the value: it may contain a secret.
var (
	ErrServer    = errors.New("not the address of a server: expected https://HOST:PORT")
	ErrPlainHTTP = errors.New("the key would be sent over the network unencrypted (http)")
	ErrKey       = errors.New("not an API key: expected one word of printable ASCII")
	ErrRoots     = errors.New("contains no certificate (PEM)")
)

// Config says which server is called, and with which key.
type Config struct {
	Server       string        // https://HOST:PORT; may have a path before /v1
	Key          string        // API key; empty: only routes that need no key work
	CA           []byte        // PEM of the CAs that sign the server's certificate; nil: those of the system
	InsecureHTTP bool          // allows http to another machine, with the key unencrypted
	Timeout      time.Duration // of one request, including its response; 0: DefaultTimeout
	UserAgent    string
	// Warn receives what a server says about a request that has succeeded only in part; nil:
	// nobody wants to know.
	Warn func(text string)
}

// Client calls the API of one server. It is safe for concurrent use.
type Client struct {
	base      string // without a trailing slash
	host      string // HOST:PORT of base, for errors
	key       string
	userAgent string
	http      *http.Client
	warn      func(text string)
}

// New checks the configuration; it does not connect. Its errors are ErrServer,
// ErrPlainHTTP, ErrKey and ErrRoots.
func New(cfg *Config) (*Client, error) {
	base, err := baseURL(cfg)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(cfg.Key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, ErrKey
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA != nil {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, ErrRoots
		}
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return &Client{
		base: strings.TrimRight(base.String(), "/"), host: base.Host, key: cfg.Key, userAgent: cfg.UserAgent, warn: cfg.Warn,
		http: &http.Client{
			Timeout: timeout,
			Transport: &http.Transport{ // without Proxy, so that the environment sets none
				DialContext:         dial(timeout),
				TLSClientConfig:     tlsConfig,
				TLSHandshakeTimeout: timeout,
				ForceAttemptHTTP2:   true,
			},
			// A redirect would send the key to another server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func baseURL(cfg *Config) (*url.URL, error) {
	u, err := url.Parse(cfg.Server)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, ErrServer
	}
	switch u.Scheme {
	case "https":
	case "http":
		if cfg.Key != "" && !cfg.InsecureHTTP && !isLoopback(u.Hostname()) {
			return nil, ErrPlainHTTP
		}
	default:
		return nil, ErrServer
	}
	return u, nil
}

// isLoopback reports whether a host is this machine. It resolves no names.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Server returns the address of the server.
func (c *Client) Server() string { return c.base }

// Version returns the version of the server. It needs no key.
func (c *Client) Version(ctx context.Context) (*wire.Version, error) {
	v, _, err := fetch[wire.Version](ctx, c, http.MethodGet, pathTo("version"))
	return v, err
}

// Status returns the status of the server, and how current its view of the directory is.
// It needs no key.
func (c *Client) Status(ctx context.Context) (*wire.Status, error) {
	s, _, err := fetch[wire.Status](ctx, c, http.MethodGet, pathTo("status"))
	return s, err
}
