package checkup

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

	"usher/api/wire"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/internal/ownedfile"
)

// soonEnded is how long before its end a certificate is worth a word.
const soonEnded = 14 * 24 * time.Hour

// checkAPI looks at the management API: its certificate, and who is at its address.
func checkAPI(ctx context.Context, f *finding.List, cfg *config.Config, offline bool) {
	if cfg.API.Listen == "" {
		if cfg.Directory.From != config.DirectoryFile {
			f.Warn("api", "", "set api.listen", "no API is configured: this usher does not manage the directory")
		}
		return
	}
	a := apiCheck{List: f, cfg: &cfg.API, now: time.Now}
	if cfg.API.TLS.CertFile != "" && !a.certificate(cfg.Keyring.AllowGroupReadable) || offline {
		return
	}
	a.address(ctx)
}

type apiCheck struct {
	*finding.List
	cfg  *config.API
	now  func() time.Time
	leaf *x509.Certificate // nil: no TLS
}

// certificate looks at the files of api.tls.
func (a *apiCheck) certificate(allowGroup bool) bool {
	const check = "api certificate"
	const hint = "api.tls takes a certificate and its private key as PEM files"
	c := &a.cfg.TLS
	pair, err := (&listener.Certificate{CertFile: c.CertFile, KeyFile: c.KeyFile, AllowGroup: allowGroup}).Load()
	switch {
	case errors.Is(err, ownedfile.ErrReadable), errors.Is(err, ownedfile.ErrUntrusted):
		var owned *ownedfile.Error
		errors.As(err, &owned)
		a.Fail(fault.Config, check, owned.Path, owned.Fix, "%v", err)
		return false
	case err != nil:
		a.Fail(fault.Config, check, c.CertFile, hint, "%v", err)
		return false
	}
	a.leaf = pair.Leaf
	ends := a.leaf.NotAfter.UTC().Format(time.RFC3339)
	switch now := a.now(); {
	case now.After(a.leaf.NotAfter):
		a.Fail(fault.Config, check, c.CertFile, "replace it; a running usher loads the new one", "ended at %s", ends)
	case now.Before(a.leaf.NotBefore):
		a.Fail(fault.Config, check, c.CertFile, "is the clock of this machine correct?", "begins at %s", a.leaf.NotBefore.UTC().Format(time.RFC3339))
	case a.leaf.NotAfter.Sub(now) < soonEnded:
		a.Warn(check, c.CertFile, "replace it; a running usher loads the new one", "ends at %s", ends)
	default:
		a.OK(check, c.CertFile, "good until %s", ends)
	}
	return true
}

// address looks whether the API could be served at its address, or is already.
func (a *apiCheck) address(ctx context.Context) {
	if _, port, err := net.SplitHostPort(a.cfg.Listen); err != nil || port == "0" {
		return // a free one is taken
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	switch {
	case err == nil && l.Close() == nil:
		a.OK("api", a.cfg.Listen, "port is free; no API is running")
	case listener.InUse(err):
		a.answers(ctx)
	default:
		a.Warn("api", a.cfg.Listen, "api.listen must be an address of this machine", "cannot listen: %v", err)
	}
}

// errOtherCertificate: somebody else answers, or a usher that has not taken the
// file over.
var errOtherCertificate = errors.New("it presents a certificate other than that of api.tls")

// answers looks who is at the address.
func (a *apiCheck) answers(ctx context.Context) {
	const other = "does another program use it? give usher an api.listen of its own"
	status, err := a.status(ctx)
	switch {
	case errors.Is(err, errOtherCertificate):
		a.Warn("api", a.cfg.Listen, "a running usher loads a new certificate by itself; its log says why it did not", "%v", err)
	case err != nil:
		a.Fail(fault.Config, "api", a.cfg.Listen, other, "port is taken, and no usher answers: %v", err)
	case status.Directory != nil && !status.Directory.Current && status.Directory.AsOf.IsZero():
		a.Warn("api", a.cfg.Listen, "if it has just started, wait until /readyz on http.listen returns 200 and check again; otherwise its log says why it cannot read the bucket",
			"usher answers, but has no directory yet: it decides nothing")
	case status.Directory != nil && !status.Directory.Current:
		a.Warn("api", a.cfg.Listen, "the log of that usher says why it cannot follow the bucket",
			"usher answers, but its directory is of %s", status.Directory.AsOf.UTC().Format(time.RFC3339))
	default:
		a.OK("api", a.cfg.Listen, "usher answers")
	}
}

// status asks the API how it is, which takes no key.
func (a *apiCheck) status(ctx context.Context) (*wire.Status, error) {
	const maxAnswer = 64 << 10
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true} // Proxy is nil: it is on this machine
	scheme := "http://"
	if a.leaf != nil {
		scheme, transport.TLSClientConfig = "https://", a.expect()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+near(a.cfg.Listen)+"/v1/status", nil)
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

// expect takes the certificate of the file, whatever name it is for, and no other.
func (a *apiCheck) expect() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The address is that of a listener, and no name of the certificate.
		InsecureSkipVerify: true, //nolint:gosec // the very certificate is compared, and nothing secret is sent
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, a.leaf.Raw) {
				return errOtherCertificate
			}
			return nil
		},
	}
}

// near returns an address at which this machine reaches a listener.
func near(listen string) string {
	host, port, _ := net.SplitHostPort(listen) // the configuration was checked
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
