package main

import (
	"io"
	"os"
	"path/filepath"
	"usher/app/setup"

	"github.com/urfave/cli/v2"
)

func devCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Usage:     "try usher: an embedded nats-server, usher, and a demo directory",
		UsageText: "usher dev [--operator] [--listen HOST:PORT] [--dir DIR] [--json]",
		Description: "Prints a command to paste for each demo identity, and one that is refused.\n" +
			"Not for production: the tokens are printed. Ctrl-C ends it.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "with an operator, accounts and signing keys (operator mode)"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server, 0 takes a free port; default: " + setup.DefaultListen + ", or as in DIR"},
			&cli.StringFlag{Name: "dir", Usage: "`DIR` that keeps keys and state; default: a temporary one, removed at the end"},
			&cli.BoolFlag{Name: "json", Usage: "print one line of JSON on stdout when ready"},
		},
		Action: dev,
	}
}

func dev(c *cli.Context) error {
	if err := arguments(c, 0); err != nil {
		return err
	}
	if l := c.String("listen"); l != "" {
		if err := checkListen("listen", l); err != nil {
			return err
		}
	}
	dir := c.String("dir")
	if dir == "" {
		tmp, err := os.MkdirTemp("", "usher-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp) //nolint:errcheck // a leftover in the temporary directory harms nobody
		dir = tmp
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := unused(c.Context, dir); err != nil {
		return err
	}
	d, err := prepareDev(dir, c.String("listen"), c.Bool("operator"))
	if err != nil {
		return err
	}
	d.note = func(w io.Writer, text string) { say(w, "note", text) }
	d.announce = func(url, api string) error {
		announce := printDemoText
		if c.Bool("json") {
			announce = printDemoJSON
		}
		return announce(c.App.Writer, &d.demo, url, api, d.dir)
	}
	return d.run(c.Context, c.App.ErrWriter)
}
