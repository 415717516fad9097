package auditlog

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/urfave/cli/v2"

	"usher/app/auditlog"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/audit/chain"
	"usher/internal/fault"
	"usher/internal/plural"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "find lines of the audit that are missing, changed, reordered or not signed",
		UsageText: "usher audit verify -c FILE [--key KEY...] [--closed] [--json]\nusher audit verify --file FILE... --key KEY... [--closed] [--json]",
		Description: "Follows the chain of each writer and checks its signatures. Retention and rotation\n" +
			"cut the beginning, which is a note and no problem; so is an end that is open because\n" +
			"the writer still runs. Signatures count by the keys of the keyring, and by those that\n" +
			"--key names: give keys that were replaced. With --file and --key it needs neither\n" +
			"configuration nor network. Exits 4 if there is a problem.",
		Flags: append(sourceFlags(true),
			&cli.StringSliceFlag{Name: "key", Usage: "public nkey `KEY` (A…) whose signatures count"},
			&cli.BoolFlag{Name: "closed", Usage: "every writer has stopped: an open end is a problem"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		),
		Action: verify,
	}
}

func verify(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	for _, key := range c.StringSlice("key") {
		if !nkeys.IsValidPublicKey(key) {
			return cmdutil.UsageError("the audit and usher check name public keys: A…", "--key: a value is not a public nkey")
		}
	}
	p, err := Open(c, c.StringSlice("file"))
	if err != nil {
		return err
	}
	defer p.Close()
	keys, err := publicKeys(c.StringSlice("key"), p.Config)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return cmdutil.UsageError("name the public key with --key KEY, or the configuration with -c FILE", "no key given whose signatures count")
	}
	r, err := auditlog.Verify(c.Context, p, keys, c.Bool("closed"), time.Now())
	if err != nil {
		return RunError(err)
	}
	if c.Bool("json") {
		err = json.NewEncoder(c.App.Writer).Encode(r)
	} else {
		err = printReport(c.App.Writer, r)
	}
	if err == nil && r.Problems > 0 {
		err = &fault.Error{Kind: fault.Denied, Err: fmt.Errorf("the audit is not as it was written: %s", plural.Count(r.Problems, "problem"))}
	}
	return err
}

func printReport(out io.Writer, r *chain.Report) error {
	for i := range r.Findings {
		f := &r.Findings[i]
		level := "note"
		if f.Problem {
			level = "problem"
		}
		fmt.Fprintf(out, "%s: %s", level, f.Fault)
		if f.At != "" {
			fmt.Fprintf(out, " at %s", remote.Printable(f.At))
		}
		if f.Writer != "" {
			fmt.Fprintf(out, " (writer %s, line %d", remote.Printable(f.Writer), f.Seq)
			if f.To > f.Seq {
				fmt.Fprintf(out, " to %d", f.To)
			}
			fmt.Fprint(out, ")")
		}
		fmt.Fprintf(out, ": %s\n", f.Text)
		if f.LastGood != nil && f.Problem {
			fmt.Fprintf(out, "  last good signature before it: line %d at %s, %s\n", f.LastGood.Seq, remote.Printable(f.LastGood.At), remote.FormatTime(f.LastGood.Time))
		}
	}
	for i := range r.Runs {
		w := &r.Runs[i]
		fmt.Fprintf(out, "writer %s: lines %d to %d, %s", remote.Printable(w.Writer), w.From, w.To, plural.Count(w.Signatures, "signature"))
		if w.LastGood != nil {
			fmt.Fprintf(out, ", the last one of line %d at %s", w.LastGood.Seq, remote.FormatTime(w.LastGood.Time))
		}
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintf(out, "%d lines, %s\n", r.Lines, plural.Count(r.Problems, "problem"))
	return err
}
