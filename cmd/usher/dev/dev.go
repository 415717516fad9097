// Package dev is the command "usher dev".
package dev

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"

	"usher/app/demo"
	"usher/app/setup"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:  "dev",
		Usage: "run a demo: an embedded nats-server, usher and a demo directory",
		UsageText: "usher dev [--operator] [--oidc] [--listen HOST:PORT] [--api HOST:PORT] [--http HOST:PORT]\n    [--dir DIR] [--json]\n" +
			"usher dev --event-gateway [--streaming WAY] [--listen HOST:PORT] [--api HOST:PORT]\n    [--http HOST:PORT] [--dir DIR] [--json]",
		Description: "Prints a command to paste for each demo identity, and one that is denied. With\n" +
			"--event-gateway it runs an event gateway as Chef Automate has one: a nats-server for\n" +
			"supervisors and one for services, joined, with demo supervisors that publish events\n" +
			"and a service that reads them.\n" +
			"Not for production: it prints tokens. Stop it with Ctrl-C.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "use operator mode: an operator, accounts and signing keys"},
			&cli.BoolFlag{Name: "oidc", Usage: "run an OpenID Connect provider, and accept its tokens"},
			&cli.BoolFlag{Name: "event-gateway", Usage: "run an event gateway, with demo supervisors and a service"},
			&cli.StringFlag{Name: "streaming", Usage: "with --event-gateway: `WAY` for supervisors that use NATS Streaming: bridge, stan (builds NATS Streaming, in a source checkout) or off", DefaultText: "bridge, or that in DIR"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server; port 0 takes a free one", DefaultText: setup.DefaultListen + ", or that in DIR"},
			&cli.StringFlag{Name: "api", Usage: "`HOST:PORT` for the management API, on loopback; port 0 takes a free one", DefaultText: "a free port, or that in DIR"},
			&cli.StringFlag{Name: "http", Usage: "`HOST:PORT` for metrics and probes; port 0 takes a free one", DefaultText: "a free port, or that in DIR"},
			&cli.StringFlag{Name: "dir", Usage: "`DIR` for keys and state", DefaultText: "a temporary one, removed at the end"},
			&cli.BoolFlag{Name: "json", Usage: "print one line of JSON when ready, and one for each event"},
		},
		Action: dev,
	}
}

func dev(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	run := runDemo
	if c.Bool("event-gateway") {
		run = runGateway
	} else if c.IsSet("streaming") {
		return cmdutil.UsageError("add --event-gateway", "--streaming is for an event gateway")
	}
	for _, option := range []string{"listen", "api", "http"} {
		if address := c.String(option); address != "" {
			if err := cmdutil.CheckListenAddress(option, address); err != nil {
				return err
			}
		}
	}
	return run(c)
}

// runDemo runs a nats-server, usher and a demo directory.
func runDemo(c *cli.Context) error {
	o, err := demoOptions(c)
	if err != nil {
		return err
	}
	return inFolder(c, func(ctx context.Context, dir string, stdout, stderr io.Writer) error {
		d, err := demo.Prepare(dir, o)
		if err != nil {
			return err
		}
		d.Note = func(w io.Writer, text string) { cmdutil.Note(w, text) }
		d.Announce = func(url, api string) error {
			announce := PrintText
			if c.Bool("json") {
				announce = printDemoJSON
			}
			return announce(stdout, &d.Directory, url, api, d.Dir)
		}
		d.LoggedIn = func(l demo.Login) error {
			if c.Bool("json") {
				return printLoginJSON(stdout, &l)
			}
			return printLoginText(stdout, &l, d.URL(), filepath.Join(d.Dir, setup.FileConfig))
		}
		return d.Run(ctx, stderr)
	})
}

// inFolder calls run with the folder of --dir, or with a temporary one that it removes. No
// other "usher dev" uses it. ctx ends when the terminal closes or a reader of the output
// is gone.
func inFolder(c *cli.Context, run func(ctx context.Context, dir string, stdout, stderr io.Writer) error) error {
	dir := c.String("dir")
	if dir == "" {
		tmp, err := os.MkdirTemp("", "usher-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp) //nolint:errcheck // a leftover temporary directory does no harm
		dir = tmp
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := demo.CheckUnused(c.Context, dir); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	stdout, stderr := endOnHangUp(ctx, stop, c.App.Writer, c.App.ErrWriter)
	return run(ctx, dir, stdout, stderr)
}

// demoOptions reads and checks the options.
func demoOptions(c *cli.Context) (demo.Options, error) {
	o := demo.Options{Listen: c.String("listen"), API: c.String("api"), HTTP: c.String("http"), Operator: c.Bool("operator"), OIDC: c.Bool("oidc")}
	return o, checkAPI(o.API)
}

// checkAPI refuses an API that others can reach: requests carry API keys, and the API of the
// demo has no TLS.
func checkAPI(address string) error {
	if address != "" && !onLoopback(address) {
		return cmdutil.UsageError("such as --api "+setup.ListenAPI, "--api %q is not a loopback address", address)
	}
	return nil
}

// onLoopback reports whether an address is of this machine only.
func onLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
