// Package pki is the command "usher pki": a small CA, for trying out and for tests.
//
// It promises that private keys go only to files with mode 0600, and that no file is
// replaced but by renew. It never prints a private key.
package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/urfave/cli/v2"

	apppki "usher/app/pki"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/ownedfile"
	"usher/internal/secret"
	"usher/internal/shellword"
)

// notARealCA says what the command is for.
const notARealCA = "It is for trying out and for tests. The CA of an organization adds what this one has\n" +
	"not: a key that no machine of the service holds, a second person who approves,\n" +
	"revocation, a record of what was issued, and renewal by itself."

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "pki",
		Usage:       "make and renew certificates, for trying out and for tests",
		Description: notARealCA,
		Subcommands: []*cli.Command{caCommand(), issueCommand(), renewCommand(), listCommand()},
	}
}

func dirFlag() cli.Flag {
	return &cli.StringFlag{Name: "dir", Usage: "`DIR` with the CA, as usher pki ca makes it"}
}

func caCommand() *cli.Command {
	return &cli.Command{
		Name: "ca", Usage: "make a CA in a folder",
		UsageText: "usher pki ca [--cn NAME] [--for DURATION] DIR",
		Description: "Writes DIR/ca.pem and DIR/ca.key, which has mode 0600.\n\n" + notARealCA + "\n" +
			"Keep ca.key off the machines that use the certificates: issue and renew need it, and\n" +
			"nothing else.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cn", Usage: "common `NAME` of the CA", Value: "usher CA"},
			&cli.StringFlag{Name: "for", Usage: "`DURATION` for which it is valid, such as 5y", DefaultText: "10y"},
		},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			lifetime, err := cmdutil.PositiveDuration(c, "for", "it would have ended already")
			if err != nil {
				return err
			}
			dir := apppki.Dir(c.Args().First())
			if _, err := dir.Create(c.String("cn"), lifetime, time.Now()); err != nil {
				if errors.Is(err, apppki.ErrExists) {
					const hint = "nothing was written; to replace a CA, make a new one in another folder, let every ca_file hold both, and issue the certificates anew"
					return &fault.Error{Kind: fault.Config, Err: err, Hint: hint}
				}
				return explained(dir, err)
			}
			if err := printFiles(c, dir.CAFile(), dir.CAKeyFile()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.App.ErrWriter, "\nNext:\n  usher pki issue --dir %s --cn NAME --san HOST --server\n", shellword.Quote(string(dir)))
			return err
		},
	}
}

func issueCommand() *cli.Command {
	return &cli.Command{
		Name: "issue", Usage: "make a certificate and its key",
		UsageText: "usher pki issue --dir DIR --cn NAME [--san NAME|IP]... [--server] [--client]\n    [--for DURATION]",
		Description: "Writes DIR/NAME.pem and DIR/NAME.key, which has mode 0600. It never replaces a file.\n\n" +
			"Servers are found by --san: give each name and address that clients connect to. A\n" +
			"server with a gateway is a client of the other one too: give it --server and --client,\n" +
			"and no addresses, because nats-server accepts an address where a name does not match.",
		Flags: []cli.Flag{
			dirFlag(),
			&cli.StringFlag{Name: "cn", Usage: "common `NAME`, and name of the files"},
			&cli.StringSliceFlag{Name: "san", Usage: "subject alternative name: `NAME|IP`"},
			&cli.BoolFlag{Name: "server", Usage: "it is for a server"},
			&cli.BoolFlag{Name: "client", Usage: "it is for a client"},
			&cli.StringFlag{Name: "for", Usage: "`DURATION` for which it is valid, such as 90d", DefaultText: "1y, or what is left of the CA"},
		},
		Action: issue,
	}
}

func issue(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	if err := cmdutil.RequireFlags(c, "dir", "cn"); err != nil {
		return err
	}
	lifetime, err := cmdutil.PositiveDuration(c, "for", "it would have ended already")
	if err != nil {
		return err
	}
	dir := apppki.Dir(c.String("dir"))
	r := &apppki.Request{
		CN: c.String("cn"), Server: c.Bool("server"), Client: c.Bool("client"),
		Lifetime: lifetime, Now: time.Now(),
	}
	if err := r.SetSANs(c.StringSlice("san")); err != nil {
		return explained(dir, err)
	}
	if err := dir.Issue(r); err != nil {
		return explained(dir, err)
	}
	return printFiles(c, dir.CertFile(r.CN), dir.KeyFile(r.CN))
}

func printFiles(c *cli.Context, paths ...string) error {
	for _, path := range paths {
		if _, err := fmt.Fprintln(c.App.Writer, secret.RedactDetected(path)); err != nil {
			return err
		}
	}
	return nil
}

// explained gives an error of package pki its kind and a hint.
func explained(dir apppki.Dir, err error) error {
	folder := shellword.Quote(string(dir))
	switch {
	case errors.Is(err, apppki.ErrName), errors.Is(err, apppki.ErrFileName):
		return cmdutil.UsageError("choose another name", "--cn: %w", err)
	case errors.Is(err, apppki.ErrSAN):
		return cmdutil.UsageError("such as --san events.example.org --san 192.0.2.1", "--san: %w", err)
	case errors.Is(err, apppki.ErrUse):
		return cmdutil.UsageError("add --server, --client or both", "%w", err)
	case errors.Is(err, apppki.ErrAfterAuthority):
		return cmdutil.UsageError("leave --for out for the longest time", "--for: %w", err)
	}
	hint := ""
	var owned *ownedfile.Error
	switch {
	case errors.Is(err, apppki.ErrEnded):
		hint = "make a new CA in another folder, let every ca_file hold both, and issue the certificates anew"
	case errors.Is(err, apppki.ErrNotBegun):
		hint = "is the clock of this machine correct?"
	case errors.Is(err, apppki.ErrExists):
		hint = "choose another name, or renew it: usher pki renew --dir " + folder + " NAME"
	case errors.Is(err, apppki.ErrHalf):
		hint = "put the missing file back; if a command was interrupted, remove the other one and run it again"
	case errors.Is(err, apppki.ErrInterrupted):
		hint = "finish it: usher pki renew --dir " + folder + " NAME"
	case errors.Is(err, apppki.ErrMismatch):
		hint = "put the key of the certificate back, or remove both files and issue it anew"
	case errors.Is(err, apppki.ErrForeign):
		hint = "renew it where it was made"
	case errors.Is(err, apppki.ErrBusy):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "wait until it ends"}
	case errors.As(err, &owned):
		hint = owned.Fix
	case errors.Is(err, fs.ErrNotExist):
		hint = "make a CA with usher pki ca " + folder
	}
	return &fault.Error{Kind: fault.Config, Err: err, Hint: hint}
}
