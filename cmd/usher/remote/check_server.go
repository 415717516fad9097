package remote

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"usher/api/client"
	"usher/cmd/usher/cmdutil"
	"usher/internal/secret"

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

// serverHint returns a hint for an invalid server: the same address with a scheme, or an
// example.
func serverHint(server string) string {
	if !strings.Contains(server, "://") && !secret.Detect(server) {
		if _, err := client.New(&client.Config{Server: "https://" + server}); err == nil {
			return "did you mean " + schemeFor(server) + server + "?"
		}
	}
	return "such as https://usher.example.org:9443"
}

// schemeFor returns the likely scheme of HOST:PORT: http on this machine, else https.
func schemeFor(server string) string {
	host := server
	if name, _, err := net.SplitHostPort(server); err == nil {
		host = name
	}
	if addr, err := netip.ParseAddr(host); host == "localhost" || err == nil && addr.IsLoopback() {
		return "http://"
	}
	return "https://"
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
