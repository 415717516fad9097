package pki

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	apppki "usher/app/pki"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
)

func renewCommand() *cli.Command {
	return &cli.Command{
		Name: "renew", Usage: "replace certificates and their keys by new ones",
		UsageText: "usher pki renew --dir DIR [--within DURATION] NAME...\nusher pki renew --dir DIR [--within DURATION] [--all]",
		Description: "The new certificate has the names, the use and the lifetime of the old one, and a new\n" +
			"key. With --within, only certificates that end within DURATION are renewed; with\n" +
			"--within alone, all of those. Run it daily, and let nats-server read the files after it\n" +
			"(nats-server --signal reload).\n\n" +
			"If it is interrupted, certificate and key may not fit. nats-server refuses such a pair\n" +
			"and keeps the old one until it restarts. Run the command again: it finishes.",
		Flags: []cli.Flag{
			dirFlag(),
			&cli.StringFlag{Name: "within", Usage: "renew what ends within `DURATION`, such as 30d"},
			&cli.BoolFlag{Name: "all", Usage: "renew every certificate that the CA has signed"},
		},
		Action: renew,
	}
}

func renew(c *cli.Context) error {
	names := c.Args().Slice()
	if err := cmdutil.ExactArgs(c, len(names)); err != nil {
		return err
	}
	if err := cmdutil.RequireFlags(c, "dir"); err != nil {
		return err
	}
	within, err := cmdutil.PositiveDuration(c, "within", "what has ended is renewed anyway")
	if err != nil {
		return err
	}
	all := c.Bool("all")
	switch {
	case len(names) == 0 && !all && within == 0:
		return cmdutil.UsageError("name the certificates, or renew --all or what ends --within 30d", "missing argument: NAME...")
	case len(names) > 0 && all:
		return cmdutil.UsageError("", "NAME and --all: give only one of them")
	}
	dir := apppki.Dir(c.String("dir"))
	entries, err := dir.List()
	if err != nil {
		return explained(dir, err)
	}
	chosen, err := choose(entries[1:], names)
	if err != nil {
		return err
	}
	return renewEach(c, dir, chosen, within)
}

// choose returns the entries with these names, or all that the CA of the folder has signed.
func choose(entries []apppki.Entry, names []string) ([]apppki.Entry, error) {
	var chosen []apppki.Entry
	if len(names) == 0 {
		for _, e := range entries {
			if e.Own || errors.Is(e.Err, apppki.ErrInterrupted) {
				chosen = append(chosen, e)
			}
		}
		return chosen, nil
	}
	known := make([]string, len(entries))
	byName := map[string]apppki.Entry{}
	for i, e := range entries {
		known[i], byName[e.Name] = e.Name, e
	}
	if err := cmdutil.CheckValues("NAME", names, known); err != nil {
		return nil, err
	}
	for _, name := range names {
		chosen = append(chosen, byName[name])
	}
	return chosen, nil
}

// renewEach renews those that end within a time; 0: all. One that fails does not keep the
// others from being renewed.
func renewEach(c *cli.Context, dir apppki.Dir, entries []apppki.Entry, within time.Duration) error {
	var failed []error
	for _, e := range entries {
		now := time.Now()
		if e.Err == nil && within > 0 && e.Cert.NotAfter.Sub(now) > within {
			continue
		}
		cert, err := dir.Renew(e.Name, now)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if _, err := fmt.Fprintf(c.App.Writer, "%s ends at %s\n", e.Name, cert.NotAfter.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	if len(failed) == 0 {
		return nil
	}
	var hint *fault.Error
	errors.As(explained(dir, failed[0]), &hint)
	return &fault.Error{Kind: hint.Kind, Err: errors.Join(failed...), Hint: hint.Hint}
}
