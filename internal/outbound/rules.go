package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Rules say to which addresses a Client may connect, and what an answer may cost.
type Rules struct {
	AllowNetworks []netip.Prefix // that are allowed although they are not public
	Ports         []uint16       // empty: 443
	AllowHTTP     bool
	RootCAs       *x509.CertPool // nil: those of the system

	Timeout     time.Duration // of a request with its answer; 0: 30 s
	DialTimeout time.Duration // of a connection, TLS handshake apart; 0: 10 s
	MaxHeader   int64         // bytes of an answer; 0: 64 KiB
	MaxBody     int64         // bytes of an answer; 0: 64 KiB
	MaxIdle     int           // connections that are kept; 0: 256
	MaxPerHost  int           // connections to one host; 0: 32

	Resolver Resolver // nil: that of the system
}

// Resolver finds the addresses of names.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	defaultTimeout     = 30 * time.Second
	defaultDialTimeout = 10 * time.Second
	defaultAnswer      = 64 << 10
	defaultMaxIdle     = 256
	defaultMaxPerHost  = 32
	idleTimeout        = 90 * time.Second
	maxURL             = 2048
	defaultHTTPSPort   = 443
)

// Client makes requests. It is safe for concurrent use.
type Client struct {
	rules     Rules
	addresses *addresses
	transport *http.Transport
	http      *http.Client
}

// New returns a client.
func New(rules Rules) *Client { //nolint:gocritic // the client keeps the copy
	if len(rules.Ports) == 0 {
		rules.Ports = []uint16{defaultHTTPSPort}
	}
	if rules.Resolver == nil {
		rules.Resolver = net.DefaultResolver
	}
	rules.MaxBody = cmp.Or(rules.MaxBody, defaultAnswer)
	rules.DialTimeout = cmp.Or(rules.DialTimeout, defaultDialTimeout)
	c := &Client{rules: rules, addresses: newAddresses(rules.AllowNetworks)}
	c.transport = &http.Transport{ // no Proxy: a proxy would connect to what is refused here
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{RootCAs: rules.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    rules.DialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: cmp.Or(rules.MaxHeader, defaultAnswer),
		MaxIdleConns:           cmp.Or(rules.MaxIdle, defaultMaxIdle),
		MaxIdleConnsPerHost:    cmp.Or(rules.MaxPerHost, defaultMaxPerHost),
		MaxConnsPerHost:        cmp.Or(rules.MaxPerHost, defaultMaxPerHost),
		IdleConnTimeout:        idleTimeout,
	}
	c.http = &http.Client{
		Transport: c.transport, Timeout: cmp.Or(rules.Timeout, defaultTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Check checks an address by its text: scheme, port, and the host if that is an IP address. A
// name is checked when a request connects.
func (c *Client) Check(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL {
		return nil, &Error{Err: ErrURL} // the error of net/url quotes the address
	}
	if err := c.checkURL(u); err != nil {
		return nil, &Error{Host: hostOf(u), Err: err}
	}
	return u, nil
}

func (c *Client) checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !c.rules.AllowHTTP):
		return ErrScheme
	case u.Opaque != "" || u.Hostname() == "" || u.User != nil:
		return ErrURL
	}
	text := u.Port()
	if text == "" {
		text = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return ErrURL
	}
	if !slices.Contains(c.rules.Ports, uint16(port)) {
		return ErrPort
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !c.addresses.allow(ip) {
		return ErrAddress
	}
	return nil
}

// Do sends a request and returns the answer, a redirect too. Errors are of type *Error, and so
// are those of reading the body.
func (c *Client) Do(request *http.Request) (*http.Response, error) {
	host := hostOf(request.URL)
	if err := c.checkURL(request.URL); err != nil {
		return nil, &Error{Host: host, Err: err}
	}
	response, err := c.http.Do(request) //nolint:gosec // the address is checked: that is what this package is for
	if err != nil {
		var wrapped *url.Error // its text has the whole address
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, &Error{Host: host, Err: err}
	}
	response.Body = &body{ReadCloser: response.Body, ctx: request.Context(), left: c.rules.MaxBody, host: host}
	return response, nil
}
