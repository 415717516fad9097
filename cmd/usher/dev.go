package main

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

func devCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Usage:     "run a demo: an embedded nats-server, usher and a demo directory",
		UsageText: "usher dev [--operator] [--oidc] [--listen HOST:PORT] [--api HOST:PORT] [--http HOST:PORT]\n    [--dir DIR] [--json]",
		Description: "Prints a command to paste for each demo identity, and one that is denied.\n" +
			"Not for production: it prints tokens. Stop it with Ctrl-C.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "use operator mode: an operator, accounts and signing keys"},
			&cli.BoolFlag{Name: "oidc", Usage: "run an OpenID Connect provider, and accept its tokens"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server; port 0 takes a free one", DefaultText: setup.DefaultListen + ", or that in DIR"},
			&cli.StringFlag{Name: "api", Usage: "`HOST:PORT` for the management API, on loopback; port 0 takes a free one", DefaultText: "a free port, or that in DIR"},
			&cli.StringFlag{Name: "http", Usage: "`HOST:PORT` for metrics and probes; port 0 takes a free one", DefaultText: "a free port, or that in DIR"},
			&cli.StringFlag{Name: "dir", Usage: "`DIR` for keys and state", DefaultText: "a temporary one, removed at the end"},
			&cli.BoolFlag{Name: "json", Usage: "print one line of JSON when ready"},
		},
		Action: dev,
	}
}

func dev(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	o, err := devOptions(c)
	if err != nil {
		return err
	}
	dir := c.String("dir")
	if dir == "" {
		tmp, err := os.MkdirTemp("", "usher-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp) //nolint:errcheck // a leftover temporary directory does no harm
		dir = tmp
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := demo.CheckUnused(c.Context, dir); err != nil {
		return err
	}
	d, err := demo.Prepare(dir, o)
	if err != nil {
		return err
	}
	d.Note = func(w io.Writer, text string) { cmdutil.Note(w, text) }
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	stdout, stderr := endOnHangUp(ctx, stop, c.App.Writer, c.App.ErrWriter)
	d.Announce = func(url, api string) error {
		announce := printDemoText
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
}

// devOptions reads and checks the options.
func devOptions(c *cli.Context) (demo.Options, error) {
	o := demo.Options{Listen: c.String("listen"), API: c.String("api"), HTTP: c.String("http"), Operator: c.Bool("operator"), OIDC: c.Bool("oidc")}
	for _, option := range []string{"listen", "api", "http"} {
		if address := c.String(option); address != "" {
			if err := cmdutil.CheckListenAddress(option, address); err != nil {
				return o, err
			}
		}
	}
	// Requests carry API keys, and the API of the demo has no TLS.
	if host, _, _ := net.SplitHostPort(o.API); o.API != "" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return o, cmdutil.UsageError("such as --api "+setup.ListenAPI, "--api %q is not a loopback address", o.API)
	}
	return o, nil
}
