package main

import (
	"context"
	"io"
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
		UsageText: "usher dev [--operator] [--listen HOST:PORT] [--dir DIR] [--json]",
		Description: "Prints a command to paste for each demo identity, and one that is denied.\n" +
			"Not for production: it prints tokens. Stop it with Ctrl-C.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "use operator mode: an operator, accounts and signing keys"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server, 0 takes a free port; default: " + setup.DefaultListen + ", or as in DIR"},
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
	if l := c.String("listen"); l != "" {
		if err := cmdutil.CheckListenAddress("listen", l); err != nil {
			return err
		}
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
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := demo.CheckUnused(c.Context, dir); err != nil {
		return err
	}
	d, err := demo.Prepare(dir, c.String("listen"), c.Bool("operator"))
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
	return d.Run(ctx, stderr)
}
