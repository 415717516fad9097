// Package doctor is the command usher doctor: findings about the installation and its
// machine, and a bundle of facts for a bug report.
package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/app/doctor"
	"usher/app/doctor/bundle"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
)

// Command returns "usher doctor".
func Command() *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "check everything and this machine, and write a bundle for a bug report",
		UsageText: "usher doctor -c FILE [--to FILE] [--log FILE]... [--with-audit N] [--offline] [--no-bundle] [--json]",
		Description: "Prints all that usher check finds, and what the machine does to usher: limits of\n" +
			"processes and memory, disks, ports, the way to each server, and clocks. Run it on the\n" +
			"machine and as the user of usher serve.\n\n" +
			"Then it writes an archive for a bug report: the findings, the machine, usher.yaml with\n" +
			"its defaults, the public keys of the keyring, what the servers and the running usher\n" +
			"say about themselves, and the ends of logs. Secrets are hidden. Names and addresses\n" +
			"stay: read the files before you send them (docs/how-to/troubleshoot.md).",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "to", Usage: "write the archive to `FILE`, which must not exist", DefaultText: "usher-doctor-TIME.tar.gz"},
			&cli.StringSliceFlag{Name: "log", Usage: "include the end of `FILE`, a log of usher or of nats-server"},
			&cli.IntFlag{Name: "lines", Usage: "include at most `N` lines of each log", DefaultText: "1000", Value: 1000},
			&cli.IntFlag{Name: "with-audit", Usage: "include the last `N` lines of the audit file, which names users and addresses"},
			&cli.BoolFlag{Name: "no-bundle", Usage: "print the findings only"},
			&cli.BoolFlag{Name: "offline", Usage: "make no connections"},
			&cli.StringSliceFlag{Name: "server-config", Usage: "also check `FILE`, a nats-server.conf of config mode, and its static users"},
			&cli.BoolFlag{Name: "json", Usage: "print findings as JSON"},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	path, err := cmdutil.ConfigPath(c)
	if err != nil {
		return err
	}
	if c.Int("lines") < 0 || c.Int("with-audit") < 0 {
		return cmdutil.UsageError("give a number of lines", "--lines and --with-audit must not be negative")
	}
	at := time.Now()
	to := c.String("to")
	if to == "" {
		to = bundle.Name(at) + ".tar.gz"
	}
	if _, err := os.Lstat(to); err == nil && !c.Bool("no-bundle") { // before a minute of checks
		return cmdutil.UsageError("give another name with --to", "there is a file %s already", filepath.Base(to))
	}
	var f finding.List
	cfg, err := cmdutil.ReadConfig(path)
	if err != nil {
		cfg = nil
		f.Failed("configuration", err)
	} else {
		checkup.Check(c.Context, &f, path, cfg, c.Bool("offline"), c.StringSlice("server-config"))
	}
	facts := doctor.Examine(c.Context, &f, cfg, c.Bool("offline"))
	if err := c.Err(); err != nil {
		return err
	}
	result := cmdutil.PrintFindings(c, f)
	if c.Bool("no-bundle") {
		return result
	}
	b, err := collect(c, at, cfg, f, facts)
	if err != nil {
		return err
	}
	if err := b.Write(to); err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "usher: wrote %s, %d files without secrets; read %s in it before you send it\n", filepath.Base(to), b.Files(), bundle.Manifest)
	return result
}

// tail returns the end of a file that an option names.
func tail(option, file string, n int) (string, error) {
	text, err := bundle.Tail(file, n)
	if err == nil {
		return text, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", cmdutil.UsageError("name a file that exists", "%s: no such file", option)
	}
	return "", &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%s: %w", option, err)}
}
