package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/internal/tlsfiles"
)

// CheckOwnFiles checks the files that the section gateways names, without connections.
func CheckOwnFiles(f *finding.List, cfg *config.Config, now time.Time) {
	const check = "gateway certificate"
	for i := range cfg.Gateways {
		g := &cfg.Gateways[i]
		p := port{List: f, cfg: cfg, gateway: g, now: now}
		if trusted, from, err := roots(g.CAFile); err != nil {
			f.Fail(fault.Config, check, at(g, g.Address), "gateways[].ca_file takes CA certificates in PEM", "%v", err)
		} else {
			p.ownCertificate(trusted, from, "it cannot be checked from here")
		}
		if _, _, err := roots(g.Clients.CAFile); err != nil {
			f.Fail(fault.Config, "client port certificate", at(g, g.Clients.Address), "gateways[].clients.ca_file takes CA certificates in PEM", "%v", err)
		}
	}
}

// ownCertificate reads and checks the certificate of cert_file; nil: there is none, or it
// cannot be used. unknown is what is not known without it.
func (p *port) ownCertificate(trusted *x509.CertPool, from, unknown string) *tls.Certificate {
	g := p.gateway
	if g.CertFile == "" {
		return nil
	}
	const check = "gateway certificate"
	files := tlsfiles.Files{Cert: g.CertFile, Key: g.KeyFile, AllowGroupReadable: p.cfg.Keyring.AllowGroupReadable}
	t, err := tlsfiles.Client(files)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		p.Warn(check, g.CertFile, "run usher check as a user, and on a machine, with access to both files", "%v: %s", err, unknown)
		return nil
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = t.GetClientCertificate(nil)
	}
	if err != nil {
		p.Fail(fault.Config, check, g.CertFile, "gateways[].cert_file takes a certificate in PEM, and key_file its private key, which others cannot read", "%v", err)
		return nil
	}
	own := expectation{roots: trusted, trusts: from, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, noIPs: true}
	judge(p.List, check, g.CertFile, chainOf(pair), &own, p.now)
	return pair
}

// chainOf returns the certificates of a pair from a file.
func chainOf(pair *tls.Certificate) []*x509.Certificate {
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil { // X509KeyPair has parsed the first
			chain = append(chain, c)
		}
	}
	return chain
}
