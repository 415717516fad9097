package remote

import (
	"net"
	"net/netip"
	"net/url"

	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// checkServer reports a server that is not the API of -c: the account would be created in
// one installation and its project in another. It accepts any server that --server or
// --context names, because the API may be behind a proxy.
func (x *Context) checkServer(c *cli.Context) error {
	if !c.IsSet("config") || c.IsSet("server") || c.IsSet("context") {
		return nil
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	u, err := url.Parse(x.Server)
	if err != nil || cfg.API.Listen == "" || listensAt(cfg.API.Listen, u.Hostname(), portOf(u)) {
		return nil //nolint:nilerr // the client reports an invalid address
	}
	return cmdutil.UsageError("name the API of this configuration with --server URL or --context CONTEXT",
		"the API of %s listens on %s, and the selected context is for %s", c.String("config"), cfg.API.Listen, x.Server)
}

// portOf returns the port of a URL, or the default port of its scheme.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// listensAt reports whether a client that connects to host and port can reach a listener.
func listensAt(listen, host, port string) bool {
	listenHost, listenPort, err := net.SplitHostPort(listen)
	if err != nil || port != listenPort {
		return false
	}
	a, err := netip.ParseAddr(listenHost)
	if err != nil || a.IsUnspecified() {
		return true
	}
	b, err := netip.ParseAddr(host)
	return err != nil || a == b || a.IsLoopback() && b.IsLoopback()
}

// AtServer returns "at URL", for questions that name the API server.
func (r *Session) AtServer() string { return "at " + r.server }
