// Package running is the commands that ask running ushers about their configuration:
// usher reload and usher config.
package running

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/control"
	"usher/app/deployment"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/secret"
)

// ReloadCommand returns "usher reload".
func ReloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "reload",
		Usage:     "have the running ushers read their files again",
		UsageText: "usher reload -c FILE [--json]",
		Description: "Every running usher of the installation reads its usher.yaml, keyring and directory\n" +
			"file again and reopens its audit file, as on SIGHUP. For each it prints which keys\n" +
			"have changed, which need a restart, and every fault. A faulty file changes nothing.\n" +
			"Exit code 3 if one has found a fault.",
		Flags:  []cli.Flag{cmdutil.ConfigFlag(), jsonFlag()},
		Action: reload,
	}
}

// ConfigCommand returns "usher config".
func ConfigCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "compare configurations",
		Subcommands: []*cli.Command{{
			Name:      "diff",
			Usage:     "compare usher.yaml with what the running ushers use",
			UsageText: "usher config diff -c FILE [--json]",
			Description: "Prints each key in which the file differs from the configuration that a running\n" +
				"usher uses, and whether a change takes effect at a reload or needs a restart. Keys\n" +
				"that are not in the file count with their defaults. Ushers of other machines, and\n" +
				"those that read another file of this one, are compared with their own file only.",
			Flags:  []cli.Flag{cmdutil.ConfigFlag(), jsonFlag()},
			Action: diff,
		}},
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print as JSON"} }

// open reads the configuration that -c names and connects as the service user.
func open(c *cli.Context) (*config.Config, *deployment.Deployment, error) {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return nil, nil, err
	}
	path, err := cmdutil.ConfigPath(c)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := cmdutil.ReadConfig(path)
	if err != nil {
		return nil, nil, err
	}
	d, err := deployment.Open(cfg)
	return cfg, d, err
}

// noneRuns adds what to do if nobody has answered.
func noneRuns(err error) error {
	if errors.Is(err, control.ErrNobody) {
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "start one with usher serve -c FILE; one of an older version answers only to SIGHUP"}
	}
	return err
}

func reload(c *cli.Context) error {
	_, d, err := open(c)
	if err != nil {
		return err
	}
	defer d.Close()
	answers, err := d.Reload(c.Context)
	if err != nil {
		return noneRuns(err)
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, answers)
	} else {
		for i := range answers {
			printReload(c.App.Writer, &answers[i])
		}
	}
	for i := range answers {
		if err == nil && len(answers[i].Errors) > 0 {
			err = &fault.Error{Kind: fault.Config}
		}
	}
	return err
}

func printReload(w io.Writer, r *control.Reload) {
	fmt.Fprintf(w, "%s: %s\n", name(r.Instance, r.Host), line(r.File))
	for _, text := range r.Errors {
		fmt.Fprintf(w, "  error: %s\n", line(text))
	}
	if len(r.Changed) > 0 {
		fmt.Fprintf(w, "  changed: %s\n", line(strings.Join(r.Changed, ", ")))
	}
	if len(r.Restart) > 0 {
		fmt.Fprintf(w, "  needs a restart: %s\n", line(strings.Join(r.Restart, ", ")))
	}
	if len(r.Errors)+len(r.Changed)+len(r.Restart) == 0 {
		fmt.Fprintln(w, "  nothing has changed since it has read its files last, which it does by itself when they change")
	}
}

// name names a process as other commands do.
func name(instance, host string) string {
	short := instance[max(0, len(instance)-8):]
	if host == "" {
		return line(short)
	}
	return line(short + " on " + host)
}

// line is a text of another process on one line, without what looks like a secret.
func line(text string) string { return secret.Line(secret.RedactDetected(text)) }

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
