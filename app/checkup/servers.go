package checkup

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/directory/snapshot"
	"usher/internal/fault"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/auditing"
	"usher/app/checkup/finding"
	"usher/app/checkup/gateway"
	"usher/app/checkup/operatormode"
	"usher/app/checkup/pushworkers"
	"usher/app/checkup/sessions"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/issuer"
	"usher/issuer/operator"
)

// address is where a server listens for clients.
type address struct {
	url         string
	announcedBy string          // a server; empty: the configuration
	tls         string          // for an IP address: the host name that the certificate must have; empty: the address itself
	server      string          // ID, if the system account shows the address
	gateway     *config.Gateway // whose clients need other TLS than nats.tls; nil: they do not
}

// serverSet has all known servers: those of nats.urls, those that they announce, and those
// that the system account shows.
type serverSet struct {
	pending     []address         // to check
	seen        map[string]bool   // by host:port
	reached     map[string]string // URL, by server ID
	clients     []sessions.Server // those of reached that take nats.tls
	refused     map[string]bool   // by server ID: it answers, but the service user cannot connect, which is reported
	unreachable []address         // announced, but not reachable from here
	view        *systemView       // nil: the servers cannot be asked
}

func newServerSet() *serverSet {
	return &serverSet{seen: map[string]bool{}, reached: map[string]string{}, refused: map[string]bool{}}
}

// checkServers makes the same checks on every server that it can discover.
func checkServers(ctx context.Context, f *finding.List, path string, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot, o *operatormode.Checker) {
	if _, err := natsconn.ServiceOptions(cfg); err != nil {
		return // reported by checkFiles
	}
	all := newServerSet()
	all.view = checkSystem(ctx, f, cfg, keys)
	for _, url := range cfg.NATS.URLs {
		all.seen[deployment.Host(url)] = true
		all.pending = append(all.pending, address{url: url})
	}
	largest := largestAnswer(ctx, cfg, keys, snapshot)
	systemAdded := false
	for len(all.pending) > 0 || !systemAdded {
		if len(all.pending) == 0 { // servers of the system account come last: most have been checked by then
			systemAdded = true
			all.addFromSystem(cfg)
			continue
		}
		a := all.pending[0]
		all.pending = all.pending[1:]
		own := *cfg
		own.NATS.TLS.ServerName = cmp.Or(cfg.NATS.TLS.ServerName, a.tls)
		opts, err := a.options(&own)
		switch {
		case err != nil && a.gateway != nil:
			f.Warn("connect", a.url, "name a certificate that it accepts in gateways[].cert_file, or run usher check on a machine with it",
				"%v: the issuer, xkey and timeout of server %s are not checked", err, a.announcedBy)
			all.refused[a.server] = true
			continue
		case err != nil:
			return // reported by checkFiles
		}
		s := serverCheck{
			List: f, path: path, cfg: &own, keys: keys, operator: o, url: a.url, now: time.Now,
			set: all, announcedBy: a.announcedBy, gateway: a.gateway, largest: largest,
		}
		s.run(ctx, opts)
	}
	checkUnreachable(f, cfg, all)
	checkProjectStreams(f, cfg, keys, snapshot, all.view)
	var joined *gateway.State
	if all.view != nil {
		joined = all.view.gateways
		checkLeafServers(f, all.view)
		checkServerAccounts(f, cfg, snapshot, all.view)
		joined.CheckState(f, cfg)
	}
	gateway.CheckPorts(ctx, f, cfg, joined, time.Now())
	sessions.Check(ctx, f, cfg, all.clients, time.Now())
	pushworkers.Check(ctx, f, cfg, snapshot, time.Now)
	auditing.Check(ctx, f, cfg)
}

// options returns the options of the service user at an address. It changes cfg to the TLS
// that they have.
func (a *address) options(cfg *config.Config) ([]nats.Option, error) {
	if a.gateway != nil {
		secure, err := gateway.ClientTLS(a.gateway, &cfg.NATS.TLS)
		if err != nil {
			return nil, err
		}
		cfg.NATS.TLS = *secure
	}
	return natsconn.ServiceOptions(cfg)
}

// add adds an address that a server announces, unless it is in the set.
func (set *serverSet) add(cfg *config.Config, a address) {
	host := deployment.Host(a.url)
	if set.seen[host] {
		return
	}
	set.seen[host] = true
	if !strings.Contains(a.url, "://") {
		a.url = schemeOf(cfg) + "://" + a.url
	}
	if name, _, err := net.SplitHostPort(host); err != nil || net.ParseIP(name) == nil {
		a.tls = ""
	}
	set.pending = append(set.pending, a)
}

// schemeOf returns the scheme of nats.urls.
func schemeOf(cfg *config.Config) string {
	scheme, _, _ := strings.Cut(cfg.NATS.URLs[0], "://")
	return scheme
}

// addFromSystem adds the addresses of servers that have not been reached. The connect_urls
// of a server are those of its whole cluster.
func (set *serverSet) addFromSystem(cfg *config.Config) {
	scheme := schemeOf(cfg)
	if set.view == nil || scheme != "nats" && scheme != "tls" {
		return // the system account shows addresses for NATS, not for WebSocket
	}
	near := map[string]bool{} // the gateways of the servers that nats.tls is for
	for _, s := range set.view.servers {
		if v := set.view.varz[s.ID]; v != nil && set.reached[s.ID] != "" {
			near[v.Gateway.Name] = true
		}
	}
	for _, s := range set.view.servers {
		v := set.view.varz[s.ID]
		if v == nil || set.reached[s.ID] != "" || set.refused[s.ID] || gateway.DecidesItself(cfg, v.Gateway.Name) {
			continue
		}
		a := address{announcedBy: s.Name, server: s.ID}
		if g := gateway.Entry(cfg, v.Gateway.Name); g != nil && g.Clients.Address != "" && !near[g.Name] {
			a.gateway, a.url = g, g.Clients.Address
			set.add(cfg, a)
		}
		for _, a.url = range v.ConnectURLs {
			set.add(cfg, a)
		}
		if ip := net.ParseIP(v.Host); v.Host != "" && v.Port > 0 && (ip == nil || !ip.IsUnspecified()) {
			a.url = net.JoinHostPort(v.Host, strconv.Itoa(v.Port))
			set.add(cfg, a)
		}
	}
}

// checkUnreachable reports the servers that are not reachable from here, each with what it
// reports about itself over the system account.
func checkUnreachable(f *finding.List, cfg *config.Config, set *serverSet) {
	const check = "connect"
	hint := "run usher check where that server is reachable, or add a reachable address of it to nats.urls"
	if set.view == nil {
		for _, a := range set.unreachable {
			f.Warn(check, a.url, hint, "not reachable from here, so not checked; server %s announces it", a.announcedBy)
		}
		return
	}
	for _, s := range set.view.servers {
		if set.reached[s.ID] != "" || set.view.decidesItself(cfg, s.ID) {
			continue
		}
		report := "it reports nothing about itself"
		if v := set.view.varz[s.ID]; v != nil {
			report = describe(v)
			checkRelease(f, s.Name, v.Version)
			if !v.AuthRequired {
				f.Fail(fault.Config, "callout", s.Name, "set authorization.auth_callout in the server's configuration, with account "+cfg.Accounts.Callout,
					"the server accepts every client (auth_required is false)")
			}
		}
		if set.refused[s.ID] {
			continue
		}
		f.Warn(check, s.Name, hint, "none of its addresses is reachable from here (%s), so its issuer, xkey and timeout are not checked; %s", hostsOf(set.unreachable), report)
	}
}

// hostsOf lists addresses as host:port.
func hostsOf(addresses []address) string {
	var hosts []string
	for _, a := range addresses {
		hosts = append(hosts, deployment.Host(a.url))
	}
	slices.Sort(hosts)
	return cmp.Or(strings.Join(hosts, ", "), "it announces none")
}

// describe returns what a server reports about itself, in words.
func describe(v *operator.Varz) string {
	where := ""
	if v.Cluster.Name != "" {
		where = " of cluster " + v.Cluster.Name
	}
	return fmt.Sprintf("it is %s%s, accepts up to %d bytes, and waits %g s for usher", v.Version, where, v.MaxPayload, v.AuthTimeout)
}

// discover adds the servers that this one announces to its clients.
func (s *serverCheck) discover(opts []nats.Option, server string, tls bool) {
	nc, err := nats.Connect(s.url, append(opts, nats.Name("usher-check-servers"), nats.Timeout(deployment.ConnectTimeout), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return // run has connected just now and reports errors
	}
	defer nc.Close()
	name := ""
	if host, _, err := net.SplitHostPort(deployment.Host(s.url)); err == nil && tls {
		name = host
	}
	for _, url := range nc.DiscoveredServers() {
		s.set.add(s.cfg, address{url: url, announcedBy: server, tls: name, gateway: s.gateway})
	}
}
