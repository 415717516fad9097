package backend

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"usher/internal/strictjson"
	"usher/internal/tlsfiles"
)

// HTTPConfig describes a client for one backend.
type HTTPConfig struct {
	CAFile             string // certificates to trust, PEM; empty: those of the system
	CertFile, KeyFile  string // client certificate, PEM; empty: none
	AllowGroupReadable bool   // the group of KeyFile may read it

	Timeout     time.Duration // of one exchange, with the body
	Connections int           // that are kept; default 32
}

// NewHTTPClient returns a client that follows no redirect and uses no proxy: a credential
// goes to the configured host or nowhere. It keeps to HTTP/1.1, where an exchange that
// got stuck takes no other with it.
func NewHTTPClient(cfg HTTPConfig) (*http.Client, error) {
	secured, err := tlsfiles.Client(tlsfiles.Files{CA: cfg.CAFile, Cert: cfg.CertFile, Key: cfg.KeyFile, AllowGroupReadable: cfg.AllowGroupReadable})
	if err != nil {
		return nil, err
	}
	setDefault(&cfg.Connections, 32)
	transport := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
		TLSClientConfig:        secured,
		TLSHandshakeTimeout:    cfg.Timeout,
		ResponseHeaderTimeout:  cfg.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           cfg.Connections,
		MaxIdleConnsPerHost:    cfg.Connections,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // a small body must not become a large one
		Protocols:              new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	return &http.Client{
		Transport:     transport,
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// CheckURL returns an error unless text is an https URL, or an http URL of a loopback
// address, without user name, password and fragment.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("is not a URL such as https://host/path") // the cause would quote it
	case u.User != nil:
		return errors.New("must not contain a user name or password")
	case u.Fragment != "":
		return errors.New("must not contain a fragment (#)")
	case u.Scheme == "https", u.Scheme == "http" && IsLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https://; http:// is for loopback addresses only")
}

// IsLoopback reports whether host is localhost or a loopback address.
func IsLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// ReadJSON decodes a body of type application/json and at most limit bytes into v, as
// strictjson.Decode does. It does not look at the status, and does not close the body. Its
// errors quote nothing of the body.
func ReadJSON(resp *http.Response, limit int64, v any) error {
	if err := checkContentType(resp.Header.Get("Content-Type")); err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	if int64(len(body)) > limit {
		return Unusable(fmt.Errorf("the response is larger than %d bytes", limit)) // perhaps about one credential only
	}
	if err := strictjson.Decode(body, v); err != nil {
		return Unusable(fmt.Errorf("the response is not usable JSON: %w", err)) // the same
	}
	return nil
}

func checkContentType(text string) error {
	kind, parameters, err := mime.ParseMediaType(text)
	charset := parameters["charset"]
	switch {
	case err != nil || kind != "application/json":
		return fmt.Errorf("the response has content type %.60q instead of application/json", kind)
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		return errors.New("the response is not in UTF-8")
	}
	return nil
}
