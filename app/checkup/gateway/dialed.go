package gateway

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"

	"usher/internal/fault"
)

// dialed checks the certificate for the host of the gateway's address, if that is a name:
// nats-server verifies the host of a URL that it dials, even if another URL of the same
// gateway has the name of the certificate. It reports whether nothing is wrong.
func (p *port) dialed(check, where string, leaf *x509.Certificate) bool {
	g := p.gateway
	host, _, err := net.SplitHostPort(g.Address)
	if err != nil || net.ParseIP(host) != nil || host == serverName(g) || leaf.VerifyHostname(host) == nil || p.state.reached(g.Name) {
		return true
	}
	hint := "issue it with the DNS name " + host + " as well; or let the URLs of " + g.Name + " in gateway.gateways of the others be an IP address, and then " + serverName(g)
	const text = "%s does not hold for %s, but for %s: nats-server verifies the host of the URL that it dials, "
	if by := p.state.dialers(g.Name, g.Address); len(by) > 0 {
		p.Fail(fault.Config, check, where, hint, text+"and gateway.gateways of %s has this one", describe(leaf), host, names(leaf), strings.Join(by, ", "))
	} else {
		p.Warn(check, where, hint, text+"so whoever dials %s refuses it", describe(leaf), host, names(leaf), g.Address)
	}
	return false
}

// reached reports whether a server of another gateway has a connection to this one. A nil
// State knows of none.
func (s *State) reached(name string) bool {
	if s == nil {
		return false
	}
	for _, g := range s.gateways {
		if g.Outbound[name] != nil {
			return true
		}
	}
	return false
}

// dialers returns the names of the servers whose configuration has an address for a gateway.
func (s *State) dialers(name, address string) []string {
	if s == nil {
		return nil
	}
	var all []string
	for _, server := range s.servers {
		v := s.varz[server.ID]
		if v == nil {
			continue
		}
		for _, g := range v.Gateway.Gateways {
			if g.Name == name && slices.Contains(g.URLs, address) {
				all = append(all, server.Name)
			}
		}
	}
	return all
}
