package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/devserver"
	"usher/internal/fault"
)

const fileCheck = "gateway config"

// File is the configuration of a server.
type File struct {
	Path string
	*devserver.File
}

// CheckFiles checks the gateway blocks of configurations, each and together, and what else
// the servers of joined gateways must agree on. It ignores files without a gateway.
func CheckFiles(f *finding.List, cfg *config.Config, all []File, now time.Time) {
	var joined []File
	for _, x := range all {
		if x.Gateway != nil {
			joined = append(joined, x)
		}
	}
	for i := range joined {
		c := fileCheckup{List: f, cfg: cfg, own: &joined[i], now: now}
		before := len(*f)
		c.block()
		c.listener()
		c.users()
		for j := range joined {
			if joined[j].Gateway.Name != joined[i].Gateway.Name {
				c.against(&joined[j])
			}
			if j > i {
				c.shares(&joined[j])
			}
		}
		if len(*f) == before {
			f.OK(fileCheck, joined[i].Path, "gateway %s: others need a certificate that it trusts, and a name that it knows", joined[i].Gateway.Name)
		}
	}
}

// fileCheckup checks one file.
type fileCheckup struct {
	*finding.List
	cfg *config.Config
	own *File
	now time.Time
}

// block checks the gateway block alone.
func (c *fileCheckup) block() {
	g, where := c.own.Gateway, c.own.Path
	switch {
	case g.TLS == nil:
		detail := "gateway %s has no TLS"
		if !isLoopback(g.Listen) {
			detail += ", and listens on " + g.Listen
		}
		c.Fail(fault.Config, fileCheck, where, "set gateway.tls with cert_file, key_file, ca_file and verify_cert_and_check_known_urls: true", detail+": whoever reaches it can join the servers", g.Name)
		return
	case !g.TLS.Verify || g.TLS.Insecure:
		c.Fail(fault.Config, fileCheck, where, "set verify_cert_and_check_known_urls: true in gateway.tls, and remove insecure", "gateway %s does not verify the certificates of others", g.Name)
	case !g.KnownURLs && g.Pinned == 0:
		c.Warn(fileCheck, where, "set verify_cert_and_check_known_urls: true, or pinned_certs, in gateway.tls",
			"gateway %s lets everybody join who has a certificate of its CA, such as a service", g.Name)
	}
	if !g.RejectUnknown {
		c.Warn(fileCheck, where, "set gateway.reject_unknown_cluster: true", "gateway %s lets gateways join that it does not name", g.Name)
	}
	for _, r := range g.Remotes {
		if r.TLS != nil && r.TLS.Insecure {
			c.Fail(fault.Config, fileCheck, where, "remove insecure", "gateway %s does not verify the certificate of %s", g.Name, r.Name)
		}
	}
}

// against checks that this gateway and another one find and accept each other.
func (c *fileCheckup) against(other *File) {
	g, o := c.own.Gateway, other.Gateway
	i := slices.IndexFunc(g.Remotes, func(r devserver.RemoteGateway) bool { return r.Name == o.Name })
	if i < 0 {
		c.Fail(fault.Config, fileCheck, c.own.Path, "add { name: "+o.Name+", urls: […] } to gateway.gateways", "gateway %s does not name %s, the gateway of %s", g.Name, o.Name, other.Path)
		return
	}
	if o.TLS == nil || g.TLS == nil {
		return
	}
	var hosts []string
	for _, u := range g.Remotes[i].URLs {
		hosts = append(hosts, u.Hostname())
	}
	dialer := g.Remotes[i].TLS
	for _, chain := range o.TLS.Chains {
		where := other.Path
		leaf := chain[0]
		if !slices.ContainsFunc(hosts, func(h string) bool { return leaf.VerifyHostname(h) == nil }) {
			c.Fail(fault.Config, fileCheck, where, "issue it with the DNS name "+cmpServerName(c.cfg, o.Name)+", and give "+c.own.Path+" a URL with that name",
				"%s holds for %s, but %s expects one of %s", describe(leaf), names(leaf), c.own.Path, strings.Join(hosts, ", "))
		}
		want := expectation{roots: dialer.CAs, trusts: c.own.Path, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, noIPs: true}
		judge(c.List, fileCheck, where, chain, &want, c.now)
	}
}

func cmpServerName(cfg *config.Config, name string) string {
	if g := Entry(cfg, name); g != nil {
		return serverName(g)
	}
	return name
}

// listener checks the port for clients, and HTTP monitoring.
func (c *fileCheckup) listener() {
	x, where := c.own, c.own.Path
	switch {
	case x.TLS == nil && !isLoopback(x.Listen):
		c.Fail(fault.Config, fileCheck, where, "set tls", "listens on %s without TLS: tokens of clients can be read on the way", x.Listen)
	case x.TLS == nil:
	case x.AllowNonTLS:
		c.Fail(fault.Config, fileCheck, where, "remove allow_non_tls", "accepts clients without TLS: their tokens can be read on the way")
	case x.TLS.MinVersion != 0 && x.TLS.MinVersion < tls.VersionTLS12:
		c.Fail(fault.Config, fileCheck, where, `set min_version: "1.2"`, "accepts %s", tls.VersionName(x.TLS.MinVersion))
	}
	if x.Monitoring != "" && !isLoopback(x.Monitoring) {
		c.Warn(fileCheck, where, "remove http and http_port, or listen on 127.0.0.1", "HTTP monitoring on %s shows clients, their addresses and subscriptions to everybody who reaches it", x.Monitoring)
	}
	if x.TLS == nil {
		return
	}
	entry := Entry(c.cfg, x.Gateway.Name)
	if entry == nil {
		return
	}
	if entry.Clients.Verify && !x.TLS.Verify {
		c.Fail(fault.Config, fileCheck, where, "set verify_and_map: true, or verify: true, and ca_file in tls", "accepts clients without a certificate, but gateways[].clients.verify is true")
	}
	for _, name := range entry.Clients.Names {
		if !slices.ContainsFunc(x.TLS.Chains, func(chain []*x509.Certificate) bool { return chain[0].VerifyHostname(name) == nil }) {
			c.Fail(fault.Config, fileCheck, where, "add a certificate for it to certs in tls", "has no certificate for %s, by which clients reach it (gateways[].clients.names)", name)
		}
	}
}

// users finds users of a server that decides for itself who may do everything.
func (c *fileCheckup) users() {
	entry := Entry(c.cfg, c.own.Gateway.Name)
	if entry == nil || entry.AsksUsher {
		return
	}
	var wide []string
	for _, u := range c.own.Users {
		if u.Account != c.cfg.Accounts.System && (everything(u.Publish) || everything(u.Subscribe)) {
			wide = append(wide, fmt.Sprintf("%s in %s", u.Name, u.Account))
		}
	}
	if len(wide) > 0 {
		slices.Sort(wide)
		c.Warn(fileCheck, c.own.Path, "give each service the subjects that it needs", "users who may publish or subscribe to everything in their account: %s", strings.Join(wide, "; "))
	}
}

func everything(subjects []string) bool { return subjects == nil || slices.Contains(subjects, ">") }

// shares checks that both servers have the same exports and imports in an account that
// both have.
func (c *fileCheckup) shares(other *File) {
	for name, mine := range c.own.Shares {
		theirs, both := other.Shares[name]
		if !both {
			continue
		}
		for _, d := range []struct {
			path       string
			have, lack []string
		}{{c.own.Path, mine, theirs}, {other.Path, theirs, mine}} {
			for _, line := range d.have {
				if !slices.Contains(d.lack, line) {
					c.Fail(fault.Config, fileCheck, d.path, "give the account the same exports and imports on every server: messages cross a gateway within an account",
						"account %s has %s, and not in the other file", name, line)
				}
			}
		}
	}
}

// isLoopback reports whether only this machine reaches an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
