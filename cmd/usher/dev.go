package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/config"
	"usher/devserver"
	"usher/setup"
)

// fileDemo keeps the tokens of the demo identities in a dev directory.
const fileDemo = "demo.json"

func devCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Usage:     "try usher: an embedded nats-server, usher, and a demo directory",
		UsageText: "usher dev [--listen HOST:PORT] [--dir DIR] [--json]",
		Description: "Prints a command to paste for each demo identity, and one that is refused.\n" +
			"Not for production: the tokens are printed. Ctrl-C ends it.",
		Flags: []cli.Flag{
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
	d, err := prepareDev(dir, c.String("listen"))
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
}

// prepareDev makes the files of a dev directory, or takes those that are there.
func prepareDev(dir, listen string) (*devRun, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d := &devRun{dir: dir}
	listen, err = fixPort(listen)
	if err != nil {
		return nil, err
	}
	err = d.demo.load(filepath.Join(dir, fileDemo))
	switch {
	case err == nil:
		d.listen = listen
		return d, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, configError(err)
	}
	d.demo, err = newDemo(rand.Reader)
	if err != nil {
		return nil, err
	}
	if listen == "" {
		listen = defaultListen
	}
	_, err = setup.Write(setup.Options{
		Dir: dir, Listen: listen, Directory: d.demo.directory(), Random: rand.Reader,
		Config: map[string]string{"http.listen": "127.0.0.1:0"},
	})
	if err != nil {
		return nil, configError(err)
	}
	return d, d.demo.save(dir)
}

// fixPort replaces port 0 by one that is free, so that the files can name it.
func fixPort(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port != "0" {
		return listen, nil //nolint:nilerr // empty, or checked before
	}
	l, err := net.Listen("tcp", listen) //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	_, port, err = net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port), errors.Join(err, l.Close())
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
	defer server.Stop()
	cfg, err := config.Load(filepath.Join(d.dir, setup.FileConfig))
	if err != nil {
		return configError(err)
	}
	if url := server.URL(); !slices.Contains(cfg.NATS.URLs, url) {
		say(c.App.ErrWriter, "note", filepath.Join(d.dir, setup.FileConfig)+" names another address; other commands that read it will look there")
		cfg.NATS.URLs = []string{url}
	}
	in, err := newInstance(cfg, c.App.ErrWriter)
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
			err := d.announce(ctx, c, url)
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

func (d *devRun) announce(ctx context.Context, c *cli.Context, url string) error {
	if err := d.demo.provision(ctx, url); err != nil {
		return err
	}
	if c.Bool("json") {
		return d.demo.printJSON(c.App.Writer, url, d.dir)
	}
	return d.demo.printText(c.App.Writer, url, d.dir)
}
