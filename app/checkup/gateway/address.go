package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"

	"usher/internal/fault"
)

const addressCheck = "gateway address"

// checkGateway checks the port of a gateway: what it presents, and whom it accepts.
// nats-server begins with TLS there, and sends INFO in it.
func (p *port) checkGateway(ctx context.Context) {
	g := p.gateway
	where := at(g, g.Address)
	const certCheck = "gateway certificate"
	trusted, from, err := roots(g.CAFile)
	if err != nil {
		p.Fail(fault.Config, certCheck, where, "gateways[].ca_file takes CA certificates in PEM", "%v", err)
		return
	}
	c := connection{address: g.Address, name: serverName(g), oldest: tls.VersionTLS12}
	alone := c.open(ctx)
	if alone.chain == nil {
		p.noTLS(addressCheck, where, "set gateway.tls", &alone)
		return
	}
	want := expectation{name: serverName(g), roots: trusted, trusts: from, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, noIPs: true}
	sound := judge(p.List, certCheck, where, alone.chain, &want, p.now)
	if p.dialed(certCheck, where, alone.chain[0]) && sound {
		p.OK(certCheck, where, "%s holds for %s, until %s", describe(alone.chain[0]), names(alone.chain[0]), date(alone.chain[0].NotAfter))
	}
	before := len(*p.List)
	p.oldTLS(ctx, addressCheck, where, c)
	switch {
	case alone.refused():
	case alone.silent():
		p.Fail(fault.Runtime, addressCheck, where, "is it a gateway of nats-server? look at its log", "does not answer within %v after the handshake", probeLimit)
	case alone.err == nil:
		p.Fail(fault.Config, addressCheck, where, "set ca_file in gateway.tls of the server, and remove insecure and verify: false",
			"accepts a connection without a certificate: whoever reaches it can join the servers, with access to every account")
	default:
		p.Fail(fault.Config, addressCheck, where, "is it a gateway of nats-server? gateways[].address must be gateway.listen of the server", "%v", alone.err)
	}
	accepts := p.withCertificate(ctx, where, c, &want)
	if len(*p.List) == before {
		p.OK(addressCheck, where, "refuses a connection without a certificate%s; %s", accepts, tls.VersionName(alone.version))
	}
}

// noTLS says why there is no certificate. set begins a hint about the server's
// configuration.
func (p *port) noTLS(check, where, set string, o *outcome) {
	const isIt = "is it the port of a nats-server? compare the address with its configuration"
	switch {
	case o.unreachable != nil:
		p.Fail(fault.Runtime, check, where, "is nats-server running there, and does it listen on an address that this machine reaches?", "cannot connect: %v", o.unreachable)
	case errors.Is(o.err, errNoTLS):
		p.Fail(fault.Config, check, where, set+" in the server's configuration", "has no TLS: whoever is in between reads and changes everything, and nobody is refused")
	case o.silent():
		p.Fail(fault.Runtime, check, where, isIt, "accepts the connection, but does not answer within %v", probeLimit)
	case errors.Is(o.err, errNotTLS), errors.Is(o.err, errNoInfo):
		p.Fail(fault.Config, check, where, isIt, "%v", o.err)
	default:
		p.Fail(fault.Runtime, check, where, isIt, "the TLS handshake fails: %v", o.err)
	}
}

// oldTLS finds a port that accepts TLS 1.1 or older.
func (p *port) oldTLS(ctx context.Context, check, where string, c connection) {
	c.oldest, c.newest, c.mute = tls.VersionTLS10, tls.VersionTLS11, true
	if o := c.open(ctx); o.chain != nil {
		p.Fail(fault.Config, check, where, `set min_version: "1.2" in its tls block`, "accepts %s", tls.VersionName(o.version))
	}
}

// withCertificate checks whether the gateway accepts the certificate of cert_file, and
// returns what it does, in words.
func (p *port) withCertificate(ctx context.Context, where string, c connection, want *expectation) string {
	g := p.gateway
	if c.pair = p.ownCertificate(want.roots, want.trusts, "whether "+g.Name+" accepts it cannot be checked from here"); c.pair == nil {
		return ""
	}
	refusal := "its CA must be in gateway.tls.ca_file of the server, and with verify_cert_and_check_known_urls its DNS name in a URL of gateway.gateways; the server's log says more"
	if p.now.After(chainOf(c.pair)[0].NotAfter) {
		refusal = "renew it: it has ended"
	}
	switch o := c.open(ctx); {
	case o.unreachable != nil || o.silent():
		p.Fail(fault.Runtime, addressCheck, where, "run usher check again; if it fails again, look at the server's log", "does not answer a connection with a certificate: %v", o.err)
	case o.err != nil:
		p.Fail(fault.Config, addressCheck, where, refusal,
			"refuses the certificate of %s (%v), so that gateway cannot connect to it", g.CertFile, o.err)
	case o.info.Gateway != g.Name:
		p.Fail(fault.Config, addressCheck, where, "correct the name or the address in gateways", "is the gateway %q of server %q", o.info.Gateway, o.info.Name)
	default:
		return ", trusts that of " + g.CertFile // whether it knows the name shows in the connections of the servers
	}
	return ""
}
