package remote

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// fits reports an API that is not the one of -c: an account would be made in one
// installation and its project in another. Whoever names the API, by --server or
// --context, knows that it stands elsewhere, such as behind a proxy.
func (x *Context) fits(c *cli.Context) error {
	if !c.IsSet("config") || c.IsSet("server") || c.IsSet("context") {
		return nil
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	at, err := url.Parse(x.Server)
	if err != nil || cfg.API.Listen == "" || listensAt(cfg.API.Listen, at.Hostname(), portOf(at)) {
		return nil //nolint:nilerr // what is wrong with the address is said where it is used
	}
	return cmdutil.UsageError("name the API of this configuration with --server URL or --context CONTEXT",
		"the API of %s listens on %s, and the selected context is for %s", c.String("config"), cfg.API.Listen, x.Server)
}

// portOf returns the port of a URL, stated or not.
func portOf(at *url.URL) string {
	switch {
	case at.Port() != "":
		return at.Port()
	case at.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// listensAt reports whether a listener can be what a client reaches at host and port.
func listensAt(listen, host, port string) bool {
	own, ownPort, err := net.SplitHostPort(listen)
	if err != nil || port != ownPort {
		return false
	}
	a, err := netip.ParseAddr(own)
	if err != nil || a.IsUnspecified() {
		return true
	}
	b, err := netip.ParseAddr(host)
	return err != nil || a == b || a.IsLoopback() && b.IsLoopback()
}

// WhichAPI names the API in what is asked before something is removed.
func (r *Remote) WhichAPI() string { return fmt.Sprintf("at %s", r.server) }
