package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"

	"usher/internal/fault"
)

// checkClients checks the port for clients of a server: the certificate for each name, and
// that it refuses whom it has to.
func (p *port) checkClients(ctx context.Context) {
	client := &p.gateway.Clients
	if client.Address == "" {
		return
	}
	const check, certCheck = "client port", "client port certificate"
	where := at(p.gateway, client.Address)
	trusted, from, err := roots(client.CAFile)
	if err != nil {
		p.Fail(fault.Config, certCheck, where, "gateways[].clients.ca_file takes CA certificates in PEM", "%v", err)
		return
	}
	var seen []*x509.Certificate
	sound := true
	for _, name := range client.Names {
		c := connection{address: client.Address, infoFirst: true, name: name, oldest: tls.VersionTLS12}
		o := c.open(ctx)
		switch {
		case o.info != nil && !o.info.TLSRequired:
			p.Fail(fault.Config, check, where, "set tls in the server's configuration, and remove allow_non_tls", "accepts clients without TLS: their tokens can be read on the way")
			return
		case o.chain == nil:
			p.noTLS(check, where, "set tls", &o)
			return
		}
		want := expectation{name: name, roots: trusted, trusts: from, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		ok := judge(p.List, certCheck, where+", "+name, o.chain, &want, p.now)
		sound = sound && ok
		if ok && !slices.ContainsFunc(seen, o.chain[0].Equal) {
			seen = append(seen, o.chain[0])
			p.OK(certCheck, where, "%s holds for %s, until %s", describe(o.chain[0]), names(o.chain[0]), date(o.chain[0].NotAfter))
		}
	}
	before := len(*p.List)
	c := connection{address: client.Address, infoFirst: true, name: client.Names[0]}
	p.oldTLS(ctx, check, where, c)
	verified := p.verifiesClients(ctx, where, c)
	if sound && len(*p.List) == before {
		p.OK(check, where, "refuses clients without TLS%s", verified)
	}
}

// verifiesClients checks whether the port refuses clients without a certificate, if it has
// to, and returns what it does, in words.
func (p *port) verifiesClients(ctx context.Context, where string, c connection) string {
	c.oldest, c.newest, c.mute = tls.VersionTLS12, tls.VersionTLS12, true // with 1.3 the refusal comes after the handshake
	o := c.open(ctx)
	refuses := o.asked && !o.shook
	if o.chain == nil { // it wants TLS 1.3
		c.newest = 0
		o = c.open(ctx)
		refuses = o.asked
	}
	switch {
	case refuses:
		return ", and without a certificate"
	case p.gateway.Clients.Verify && o.shook:
		p.Fail(fault.Config, "client port", where, "set ca_file and verify: true, or verify_and_map: true, in the server's tls block",
			"accepts clients without a certificate, but gateways[].clients.verify is true")
	}
	return ""
}
