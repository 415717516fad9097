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

	"usher/app/checkup/finding"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/issuer"
	"usher/issuer/operator"
)

// address is where a server listens for clients.
type address struct {
	url  string
	from string // the server that names it; empty: the configuration
	tls  string // host that must stand in the certificate of one whose address is an IP; empty: the address itself
}

// serverSet is every server that is known: those of nats.urls, and those that are
// learned from them and from the system account.
type serverSet struct {
	todo    []address
	known   map[string]bool   // host:port
	reached map[string]string // URL, by server ID
	lost    []address         // learned, and not reachable from here
	view    *systemView       // nil: the servers cannot be asked
}

func newServerSet() *serverSet {
	return &serverSet{known: map[string]bool{}, reached: map[string]string{}}
}

// checkServers looks at every server, each in the same way.
func checkServers(ctx context.Context, f *finding.List, path string, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot, o *operatormode.Check) {
	if _, err := natsconn.ServiceOptions(cfg); err != nil {
		return // files has said so
	}
	all := newServerSet()
	all.view = checkSystem(ctx, f, cfg)
	for _, url := range cfg.NATS.URLs {
		all.known[deployment.Host(url)] = true
		all.todo = append(all.todo, address{url: url})
	}
	largest := largestAnswer(ctx, cfg, keys, snapshot)
	learned := false
	for len(all.todo) > 0 || !learned {
		if len(all.todo) == 0 { // what the system account says comes last: most of it is known by now
			learned = true
			all.learnFromSystem(cfg)
			continue
		}
		a := all.todo[0]
		all.todo = all.todo[1:]
		own := *cfg
		own.NATS.TLS.ServerName = cmp.Or(cfg.NATS.TLS.ServerName, a.tls)
		opts, err := natsconn.ServiceOptions(&own)
		if err != nil {
			return // it was read a moment ago
		}
		s := serverCheck{
			List: f, path: path, cfg: &own, keys: keys, operator: o, url: a.url, now: time.Now,
			set: all, from: a.from, largest: largest,
		}
		s.run(ctx, opts)
	}
	checkUnreached(f, cfg, all)
	checkStreamsOfProjects(f, cfg, keys, snapshot, all.view)
	if all.view != nil {
		checkLeafServers(f, all.view)
		checkAccountsOfServers(f, cfg, snapshot, all.view)
	}
}

// add adds an address that a server has named.
func (set *serverSet) add(cfg *config.Config, url, from, tls string) {
	host := deployment.Host(url)
	if set.known[host] {
		return
	}
	set.known[host] = true
	if !strings.Contains(url, "://") {
		url = schemeOf(cfg) + "://" + url
	}
	if name, _, err := net.SplitHostPort(host); err != nil || net.ParseIP(name) == nil {
		tls = ""
	}
	set.todo = append(set.todo, address{url: url, from: from, tls: tls})
}

func schemeOf(cfg *config.Config) string {
	scheme, _, _ := strings.Cut(cfg.NATS.URLs[0], "://")
	return scheme
}

// learnFromSystem adds the addresses of servers that have not been reached yet. What a
// server names in connect_urls is that of its whole cluster.
func (set *serverSet) learnFromSystem(cfg *config.Config) {
	scheme := schemeOf(cfg)
	if set.view == nil || scheme != "nats" && scheme != "tls" {
		return // servers say there where they listen for NATS, and not for WebSocket
	}
	for _, s := range set.view.servers {
		v := set.view.varz[s.ID]
		if v == nil || set.reached[s.ID] != "" {
			continue
		}
		for _, url := range v.ConnectURLs {
			set.add(cfg, url, s.Name, "")
		}
		if ip := net.ParseIP(v.Host); v.Host != "" && v.Port > 0 && (ip == nil || !ip.IsUnspecified()) {
			set.add(cfg, net.JoinHostPort(v.Host, strconv.Itoa(v.Port)), s.Name, "")
		}
	}
}

// checkUnreached says which servers could not be looked at from here, each with what it
// says of itself if it can be asked.
func checkUnreached(f *finding.List, cfg *config.Config, set *serverSet) {
	const check = "connect"
	hint := "run usher check where that server is reachable, or add a reachable address of it to nats.urls"
	if set.view == nil {
		for _, a := range set.lost {
			f.Warn(check, a.url, hint, "not reachable from here, so not checked; server %s announces it", a.from)
		}
		return
	}
	for _, s := range set.view.servers {
		if set.reached[s.ID] != "" {
			continue
		}
		says := "it reports nothing about itself"
		if v := set.view.varz[s.ID]; v != nil {
			says = describe(v)
			checkRelease(f, s.Name, v.Version)
			if !v.AuthRequired {
				f.Fail(fault.Config, "callout", s.Name, "set authorization.auth_callout in the server's configuration, with account "+cfg.Accounts.Callout,
					"the server accepts every client (auth_required is false)")
			}
		}
		f.Warn(check, s.Name, hint, "none of its addresses is reachable from here (%s), so its issuer, xkey and timeout are not checked; %s", lostOf(set.lost), says)
	}
}

func lostOf(lost []address) string {
	var urls []string
	for _, a := range lost {
		urls = append(urls, deployment.Host(a.url))
	}
	slices.Sort(urls)
	return cmp.Or(strings.Join(urls, ", "), "it announces none")
}

func describe(v *operator.Varz) string {
	where := ""
	if v.Cluster.Name != "" {
		where = " of cluster " + v.Cluster.Name
	}
	return fmt.Sprintf("it is %s%s, accepts up to %d bytes, and waits %g s for usher", v.Version, where, v.MaxPayload, v.AuthTimeout)
}

// learn adds the servers that this one tells its clients of.
func (s *serverCheck) learn(opts []nats.Option, server string, tls bool) {
	nc, err := nats.Connect(s.url, append(opts, nats.Name("usher-check-servers"), nats.Timeout(deployment.ConnectTimeout), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return // it let the service user in a moment ago, and does so again for what follows
	}
	defer nc.Close()
	name := ""
	if host, _, err := net.SplitHostPort(deployment.Host(s.url)); err == nil && tls {
		name = host
	}
	for _, url := range nc.DiscoveredServers() {
		s.set.add(s.cfg, url, server, name)
	}
}
