package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/issuer/operator"
)

const (
	linkCheck = "gateway"
	// maxSkew is how far the clocks of two machines may be apart, for certificates and
	// user JWTs.
	maxSkew = 5 * time.Second
)

// CheckState appends what is wrong with the connections between the gateways, as the
// servers report them. A nil State appends nothing.
func (s *State) CheckState(f *finding.List, cfg *config.Config) {
	if s == nil {
		return
	}
	for _, refused := range s.refused {
		f.Warn(linkCheck, "", "add "+refused.Subject+" to the subjects that it may publish to (docs/how-to/system-user.md)",
			"%v: what servers know about their gateways cannot be checked", refused)
	}
	if s.failed != nil {
		f.Fail(fault.Runtime, linkCheck, "", "run usher check again; if it fails again, look at the servers' logs", "%v", s.failed)
	}
	if s.gateways == nil {
		return
	}
	expected := s.expected(cfg)
	for _, server := range s.servers {
		if g := s.gateways[server.ID]; g != nil {
			c := links{List: f, state: s, cfg: cfg, server: server, reported: g}
			c.check(expected)
		}
	}
	s.checkSilent(f, cfg)
	s.checkInterest(f, cfg)
}

// expected returns the names of the gateways that are to be joined. Without the section,
// they are those of the servers that answer.
func (s *State) expected(cfg *config.Config) []string {
	names := map[string]bool{}
	for i := range cfg.Gateways {
		names[cfg.Gateways[i].Name] = true
	}
	if len(names) == 0 {
		for _, server := range s.servers {
			if name := s.of(server); name != "" {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// links checks the gateway of one server.
type links struct {
	*finding.List
	state    *State
	cfg      *config.Config
	server   operator.Server
	reported *operator.Gatewayz
}

func (c *links) check(expected []string) {
	where := c.server.Name
	own := c.reported.Name
	if own == "" {
		if len(c.cfg.Gateways) > 0 {
			c.Warn(linkCheck, where, "add a gateway block to its configuration, or connect it to a server that has one as a leaf node", "has no gateway")
		}
		return
	}
	if !slices.Contains(expected, own) {
		c.Warn(linkCheck, where, "add it to gateways, or find out whose server it is", "is of gateway %q, which gateways does not list", own)
	}
	c.settings(where)
	for _, remote := range expected {
		if remote != own {
			c.link(where, remote)
		}
	}
	c.unknown(where, expected)
	if skew := c.reported.Now.Sub(c.state.asked); skew > maxSkew || skew < -2*maxSkew { // the answer may take a while
		c.Warn("clock", where, "synchronize the clocks of both machines", "its clock and that of this machine are %v apart", skew.Abs().Round(time.Second))
	}
}

// settings checks what the server reports about its configuration.
func (c *links) settings(where string) {
	v := c.state.varz[c.server.ID]
	if v == nil {
		return
	}
	switch g := &v.Gateway; {
	case !g.TLSRequired:
		c.Fail(fault.Config, linkCheck, where, "set gateway.tls in its configuration", "its gateway has no TLS")
	case !g.TLSVerify:
		c.Fail(fault.Config, linkCheck, where, "set verify: true in gateway.tls", "its gateway accepts others without a certificate")
	case !g.RejectUnknown:
		c.Warn(linkCheck, where, "set gateway.reject_unknown_cluster: true", "lets gateways join that its configuration does not name, if their certificate is good")
	}
}

// link checks the connections between the server and another gateway, in both directions.
func (c *links) link(where, remote string) {
	const hint = "the findings about the addresses and certificates of both gateways say why; so do the logs of both servers"
	out, in := c.reported.Outbound[remote], c.inbound(remote)
	switch {
	case out == nil && len(in) == 0:
		c.Fail(fault.Runtime, linkCheck, where, hint, "gateway %s is not joined: neither has a connection to the other%s", remote, c.configured(remote))
	case out == nil:
		c.Fail(fault.Runtime, linkCheck, where, hint, "has no connection to gateway %s, which has one to here: what is published here does not arrive there%s", remote, c.configured(remote))
	case len(in) == 0:
		c.Fail(fault.Runtime, linkCheck, where, hint, "gateway %s has no connection to gateway %s: what is published there does not arrive here", remote, c.reported.Name)
	case out.Connection.TLSVersion == "":
		c.Fail(fault.Config, linkCheck, where, "set gateway.tls in the configuration of both", "its connection to gateway %s has no TLS", remote)
	default:
		learned := ""
		if !out.Configured {
			learned = ", which it learned of from another gateway"
		}
		c.OK(linkCheck, where, "joined to gateway %s%s, server %s, in both directions: round trip %s, TLS %s, since %s",
			remote, learned, c.state.serverName(out.Connection.Server), roundTrip(out.Connection.RTT), out.Connection.TLSVersion, date(out.Connection.Start))
	}
}

// inbound returns the connections of a remote gateway to the servers of this one: to which
// of them it connects is its choice.
func (c *links) inbound(remote string) []operator.GatewayLink {
	var all []operator.GatewayLink
	for _, g := range c.state.gateways {
		if g.Name == c.reported.Name {
			all = append(all, g.Inbound[remote]...)
		}
	}
	return all
}

// configured says that a gateway is not in the server's configuration, if so.
func (c *links) configured(remote string) string {
	v := c.state.varz[c.server.ID]
	if v == nil {
		return ""
	}
	for _, g := range v.Gateway.Gateways {
		if g.Name == remote {
			return fmt.Sprintf(" (its configuration has %s)", strings.Join(slices.Sorted(slices.Values(g.URLs)), ", "))
		}
	}
	return " (it is not in gateway.gateways of its configuration)"
}

// unknown reports the connected gateways that nobody expects.
func (c *links) unknown(where string, expected []string) {
	if len(c.cfg.Gateways) == 0 {
		return
	}
	names := map[string]bool{}
	for name := range c.reported.Outbound {
		names[name] = true
	}
	for name := range c.reported.Inbound {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !slices.Contains(expected, name) {
			c.Warn(linkCheck, where, "add it to gateways if it may be there; if not, set reject_unknown_cluster: true, and find out who has a certificate of this CA",
				"gateway %q is joined, but gateways does not list it", name)
		}
	}
}

// roundTrip returns an RTT in words; nats-server measures it some seconds after the start.
func roundTrip(rtt string) string {
	if d, err := time.ParseDuration(rtt); err != nil || d == 0 {
		return "not measured yet"
	}
	return rtt
}

// checkSilent reports the gateways of which no server answers.
func (s *State) checkSilent(f *finding.List, cfg *config.Config) {
	for i := range cfg.Gateways {
		switch name := cfg.Gateways[i].Name; {
		case s.answers(name):
		case s.reached(name):
			f.Warn(linkCheck, name, "nothing, if its configuration has another system account, as that of a server that was there before; otherwise give it the system account of the others, with the same name",
				"it is joined, but no server of it answers to the system user, so its side is not checked")
		default:
			f.Warn(linkCheck, name, "start it; if it runs, see what the findings say about its connections and certificates; or its system account is another one",
				"no server of it answers to the system user, so its side is not checked")
		}
	}
}

// answers reports whether a server of a gateway answers.
func (s *State) answers(name string) bool {
	return slices.ContainsFunc(s.servers, func(x operator.Server) bool { return s.of(x) == name })
}

func (s *State) allAnswer(cfg *config.Config) bool {
	return !slices.ContainsFunc(cfg.Gateways, func(g config.Gateway) bool { return !s.answers(g.Name) })
}
