package doctor

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"usher/api/listener"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/internal/fault"
	"usher/internal/plural"
)

// checkPorts checks the listeners that checkup does not: whether usher can listen there, or
// somebody does. running: an usher answers on http.listen.
func checkPorts(ctx context.Context, f *finding.List, cfg *config.Config, running bool) {
	for _, l := range []struct{ key, address string }{
		{"api.x509.listen", cfg.API.X509.Listen},
		{"push.grpc.listen", cfg.Push.GRPC.Listen},
	} {
		const check = "port"
		if _, port, err := net.SplitHostPort(l.address); err != nil || port == "0" {
			continue // off, or any free port
		}
		var lc net.ListenConfig
		on, err := lc.Listen(ctx, "tcp", l.address)
		switch {
		case err == nil && on.Close() == nil:
			f.OK(check, l.address, "%s is free", l.key)
		case !listener.InUse(err):
			f.Warn(check, l.address, l.key+" must be an address of the machine that usher runs on", "cannot listen here: %v", err)
		case running:
			f.OK(check, l.address, "%s is in use, and an usher runs here", l.key)
		default:
			f.Warn(check, l.address, "stop the program that uses it, or choose another "+l.key,
				"%s is in use, and no usher answers on http.listen", l.key)
		}
	}
}

// slowConnect is a TCP connect that leaves too little of a client's patience of 2 s, since
// a request and its answer go the same way.
const slowConnect = 250 * time.Millisecond

// checkWays checks that every address of every server of nats.urls accepts connections.
func checkWays(ctx context.Context, f *finding.List, cfg *config.Config) {
	for _, text := range cfg.NATS.URLs {
		if u, err := url.Parse(text); err == nil {
			checkWay(ctx, f, text, u.Hostname(), portOf(u))
		}
	}
}

// portOf returns the port of a URL of NATS.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "ws":
		return "80"
	case u.Scheme == "wss":
		return "443"
	default:
		return "4222"
	}
}

func checkWay(ctx context.Context, f *finding.List, where, host, port string) {
	const check = "tcp"
	ctx, cancel := context.WithTimeout(ctx, 2*deployment.ConnectTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		f.Fail(fault.Runtime, check, where, "does the machine's resolver (DNS) know the name?", "%v", err)
		return
	}
	slices.Sort(addresses)
	var slowest time.Duration
	var failed []string
	for _, address := range addresses {
		took, err := dial(ctx, net.JoinHostPort(address, port))
		if err != nil {
			failed = append(failed, err.Error())
			continue
		}
		slowest = max(slowest, took)
	}
	const hint = "is nats-server running there, and does a firewall let this machine through?"
	switch {
	case len(failed) == len(addresses):
		f.Fail(fault.Runtime, check, where, hint, "%s", strings.Join(failed, "; "))
	case len(failed) > 0:
		f.Warn(check, where, hint, "%d of %s of %s: %s", len(failed), plural.Count(len(addresses), "address"), host, strings.Join(failed, "; "))
	case slowest > slowConnect:
		f.Warn(check, where, "run usher near the servers", "a connection takes %v: too long for requests on which clients wait", slowest.Round(time.Millisecond))
	default:
		f.OK(check, where, "accepts connections in %v", slowest.Round(100*time.Microsecond))
	}
}

// dial opens a TCP connection and returns how long that took.
func dial(ctx context.Context, address string) (time.Duration, error) {
	d := net.Dialer{Timeout: deployment.ConnectTimeout}
	start := time.Now()
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	_ = c.Close() // nothing was sent
	return took, nil
}
