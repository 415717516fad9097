package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"usher/api/listener"
	"usher/internal/fault"
	"usher/internal/plural"

	"usher/api/wire"
	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
)

// CheckAPI checks the management API: its certificate and its address.
func CheckAPI(ctx context.Context, f *finding.List, cfg *config.Config, offline bool) {
	if cfg.API.Listen == "" {
		if cfg.Directory.From != config.DirectoryFile {
			f.Warn("api", "", "set api.listen", "no API is configured: this usher does not manage the directory")
		}
		return
	}
	if tokens, err := assembly.ServiceTokens(cfg); err != nil {
		FailedFile(f, "service tokens", "usher reads these files at the start, and refuses one that others can read", err)
	} else if len(tokens) > 0 {
		f.OK("service tokens", "", "%s", plural.Count(len(tokens), "service"))
	}
	a := apiCheck{List: f, cfg: &cfg.API}
	if c := &cfg.API.TLS; c.CertFile != "" {
		check := certificateCheck{List: f, now: time.Now}
		if a.leaf = check.listener("api certificate", "api.tls", c, cfg.Keyring.AllowGroupReadable); a.leaf == nil {
			return
		}
	}
	if !offline {
		a.address(ctx)
	}
}

// apiCheck checks the management API of a configuration.
type apiCheck struct {
	*finding.List
	cfg  *config.API
	leaf *x509.Certificate // nil: no TLS
}

// address checks whether usher can listen on api.listen, or already does.
func (a *apiCheck) address(ctx context.Context) {
	if _, port, err := net.SplitHostPort(a.cfg.Listen); err != nil || port == "0" {
		return // usher takes any free port
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	switch {
	case err == nil && l.Close() == nil:
		a.OK("api", a.cfg.Listen, "port is free; no API is running")
	case listener.InUse(err):
		a.occupied(ctx)
	default:
		a.Warn("api", a.cfg.Listen, "api.listen must be an address of this machine", "cannot listen: %v", err)
	}
}

// errOtherCertificate: another program answers, or an usher that has not loaded the file.
var errOtherCertificate = errors.New("it presents a certificate other than that of api.tls")

// occupied checks which program listens on api.listen.
func (a *apiCheck) occupied(ctx context.Context) {
	const other = "does another program use it? give usher an api.listen of its own"
	status, err := a.status(ctx)
	switch {
	case errors.Is(err, errOtherCertificate):
		a.Warn("api", a.cfg.Listen, "a running usher loads a new certificate by itself; its log says why it did not", "%v", err)
	case errors.Is(err, http.ErrSchemeMismatch):
		a.Fail(fault.Config, "api", a.cfg.Listen, "was usher started before api.tls was set? restart it; otherwise "+other, "port is taken, and no usher responds with TLS")
	case err != nil:
		a.Fail(fault.Config, "api", a.cfg.Listen, other, "port is taken, and no usher responds: %v", err)
	case status.Directory != nil && !status.Directory.Current && status.Directory.AsOf.IsZero():
		a.Warn("api", a.cfg.Listen, "if it has just started, wait until /readyz on http.listen returns 200 and check again; otherwise its log says why it cannot read the bucket",
			"usher responds, but has no directory yet: it decides nothing")
	case status.Directory != nil && !status.Directory.Current:
		a.Warn("api", a.cfg.Listen, "the log of that usher says why it cannot load the directory, or follow the bucket",
			"usher responds, but its directory is of %s", status.Directory.AsOf.UTC().Format(time.RFC3339))
	default:
		a.OK("api", a.cfg.Listen, "usher responds")
	}
}

// status gets /v1/status, which needs no key.
func (a *apiCheck) status(ctx context.Context) (*wire.Status, error) {
	const maxAnswer = 64 << 10
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true} // no Proxy: the address is on this machine
	scheme := "http://"
	if a.leaf != nil {
		scheme, transport.TLSClientConfig = "https://", a.pinCertificate()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+dialAddress(a.cfg.Listen)+"/v1/status", nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	var status wire.Status
	switch err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&status); {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("HTTP %d", res.StatusCode)
	case err != nil || status.Status == "":
		return nil, errors.New("not an answer of usher")
	}
	return &status, nil
}

// pinCertificate accepts only the certificate of the file, for any host name.
func (a *apiCheck) pinCertificate() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The certificate need not have the address of the listener.
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares the certificate, and nothing secret is sent
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, a.leaf.Raw) {
				return errOtherCertificate
			}
			return nil
		},
	}
}

// dialAddress returns an address at which this machine can reach a listener.
func dialAddress(listen string) string {
	host, port, _ := net.SplitHostPort(listen) // the configuration was checked
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
