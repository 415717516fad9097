package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/devserver"
	"usher/app/setup"
)

// fileDemo keeps the tokens of the demo identities in a dev directory.
const fileDemo = "demo.json"

func devCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Usage:     "try usher: an embedded nats-server, usher, and a demo directory",
		UsageText: "usher dev [--operator] [--listen HOST:PORT] [--dir DIR] [--json]",
		Description: "Prints a command to paste for each demo identity, and one that is refused.\n" +
			"Not for production: the tokens are printed. Ctrl-C ends it.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "with an operator, accounts and signing keys (operator mode)"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server, 0 takes a free port; default: " + defaultListen + ", or as in DIR"},
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
	return d.run(c)
}

// devRun is one run of "usher dev".
type devRun struct {
	dir    string
	listen string // in place of what the files say; empty: as they say
	demo   demo
	log    *heldWriter // what usher says of itself comes behind what to do
}

func (d *devRun) run(c *cli.Context) error {
	server, err := devserver.Start(devserver.Config{
		ConfigFile: filepath.Join(d.dir, setup.FileServerConfig),
		Listen:     d.listen,
		LogFile:    filepath.Join(d.dir, "nats-server.log"),
	})
	if err != nil {
		return &exitError{code: exitRuntime, err: err, hint: "--listen HOST:PORT takes another address, --listen 127.0.0.1:0 a free port"}
	}
	defer release(d.dir) // deferred calls run backwards: once the server has stopped
	defer server.Stop()
	if err := claim(d.dir, server.URL()); err != nil {
		return err
	}
	cfg, err := config.Load(filepath.Join(d.dir, setup.FileConfig))
	if err != nil {
		return configError(err)
	}
	d.log = &heldWriter{w: c.App.ErrWriter}
	defer d.log.release() //nolint:errcheck // there is nobody else to tell
	if url := server.URL(); !slices.Contains(cfg.NATS.URLs, url) {
		say(d.log, "note", filepath.Join(d.dir, setup.FileConfig)+" names another address; other commands that read it will look there")
		cfg.NATS.URLs = []string{url}
	}
	in, err := newInstance(cfg, d.log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(c.Context)
	defer stop(nil)
	return errors.Join(d.serve(ctx, stop, c, in, server.URL()), in.closeAudit())
}

// serve runs usher, and announces it once the demo's stream is there.
func (d *devRun) serve(ctx context.Context, stop context.CancelCauseFunc, c *cli.Context, in *instance, url string) error {
	announced := make(chan struct{})
	err := in.serve(ctx, func() {
		go func() {
			defer close(announced)
			err := d.announce(ctx, c, url, in)
			if err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("set up the demo: %w", err))
			}
		}()
	})
	if err == nil {
		<-announced
	}
	if cause := context.Cause(ctx); c.Err() == nil && cause != nil {
		err = errors.Join(err, cause)
	}
	in.log.LogAttrs(context.Background(), slog.LevelDebug, "dev ended")
	return err
}

func (d *devRun) announce(ctx context.Context, c *cli.Context, url string, in *instance) error {
	if bucket, ok := in.parts.store.(*kvStore); ok {
		if err := d.demo.seed(ctx, bucket.Store); err != nil {
			return err
		}
	}
	err := d.demo.provision(ctx, url, in.ready)
	if errors.Is(err, errDemoDenied) {
		// The directory is the user's to edit; the other identities go on working.
		say(d.log, "note", "the demo's stream was not set up: "+err.Error())
	} else if err != nil {
		return err
	}
	announce := d.demo.printText
	if c.Bool("json") {
		announce = d.demo.printJSON
	}
	return errors.Join(announce(c.App.Writer, url, in.apiURL(), d.dir), d.log.release())
}
