package nkey

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/app/deployment"
	"usher/app/rotation"
	"usher/cmd/usher/cmdutil"
)

func nkeyRotateCommand() *cli.Command {
	return &cli.Command{
		Name: "rotate", Usage: "replace a key while clients connect",
		UsageText: "usher nkey rotate -c FILE [--account A [--scope S]] [--dry-run] [--wait TIME] issuer|signing_key|xkey\n" +
			"   usher nkey rotate -c FILE --resume|--rollback",
		Description: "Makes a new key, waits until every running usher has it, announces it to the\n" +
			"servers, puts it in use, and retires the old one once nothing depends on it. In\n" +
			"operator mode it changes the account JWT and pushes it. In config mode it prints\n" +
			"the lines to change; restart the servers one after the other, and --resume.\n" +
			"An old key that is still in use after --wait stays as retiring; usher nkey\n" +
			"retire takes it away later.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "account", Usage: "`NAME` of the account of a signing key (operator mode)"},
			&cli.StringFlag{Name: "scope", Usage: "`NAME` of the scope of a scoped signing key"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, and the change of the account JWT; change nothing"},
			&cli.DurationFlag{Name: "wait", Usage: "how long to wait for servers and for the old key, a `TIME` such as 10m", Value: deployment.DefaultWait},
			cmdutil.WithoutFlag(), cmdutil.NoUsherFlag(),
			&cli.BoolFlag{Name: "resume", Usage: "go on with a rotation that was interrupted"},
			&cli.BoolFlag{Name: "rollback", Usage: "undo a rotation that was interrupted"},
			&cli.BoolFlag{Name: "json", Usage: "print the result as JSON"},
		},
		Action: nkeyRotate,
	}
}

func nkeyRotate(c *cli.Context) error {
	again := c.Bool("resume") || c.Bool("rollback")
	switch {
	case c.Bool("resume") && c.Bool("rollback"):
		return cmdutil.UsageError("", "--resume and --rollback cannot stand together")
	case again && c.Bool("dry-run"):
		return cmdutil.UsageError("", "--dry-run is for a rotation that has not begun")
	case again && c.NArg() > 0:
		return cmdutil.UsageError("keyring.yaml says which rotation it is", "%q beside --resume or --rollback", c.Args().First())
	case !again && c.NArg() == 0:
		return cmdutil.UsageError("issuer, signing_key or xkey", "rotate what?")
	case !again && c.NArg() > 1:
		return cmdutil.Arguments(c, 1)
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	var target rotation.Target
	if !again {
		if target, err = targetOf(c, cfg); err != nil {
			return err
		}
	}
	l, err := deployment.Open(cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.Rotator(cmdutil.ProgressTo(c), c.Duration("wait"), !c.Bool("dry-run"))
	if err != nil {
		return err
	}
	r.IgnoredServers, r.NoUsher = c.StringSlice("without"), c.Bool("no-usher")
	if c.Bool("dry-run") {
		return nkeyPlan(c, r, target)
	}
	run := func(ctx context.Context) (rotation.Result, error) { return r.Rotate(ctx, target) }
	switch {
	case c.Bool("resume"):
		run = r.Resume
	case c.Bool("rollback"):
		run = r.Rollback
	}
	result, err := run(c.Context)
	if err != nil {
		return deployment.RotationError(cfg, err)
	}
	return printResult(c, &result)
}

func nkeyPlan(c *cli.Context, r *rotation.Rotator, t rotation.Target) error {
	plan, err := r.Plan(c.Context, t)
	if err != nil {
		return deployment.RotationError(nil, err)
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(plan)
	}
	for i, step := range plan.Steps {
		if _, err := fmt.Fprintf(c.App.Writer, "%d. %s\n", i+1, step.Text); err != nil {
			return err
		}
		for _, line := range step.Diff {
			if _, err := fmt.Fprintln(c.App.Writer, "     "+line); err != nil {
				return err
			}
		}
	}
	return nil
}

func printResult(c *cli.Context, result *rotation.Result) error {
	retired := len(result.Blockers) == 0
	if c.Bool("json") {
		blockers := append([]string{}, result.Blockers...)
		return json.NewEncoder(c.App.Writer).Encode(map[string]any{
			"old": result.Old, "new": result.New, "retired": retired, "blockers": blockers,
		})
	}
	if _, err := fmt.Fprintln(c.App.Writer, result.New); err != nil {
		return err
	}
	if !retired {
		cmdutil.Say(c.App.ErrWriter, "note", result.Old+" is retiring, and still in use: "+strings.Join(result.Blockers, "; "))
		cmdutil.Say(c.App.ErrWriter, "hint", "usher nkey retire "+result.Old+" once usher nkey status says that it is safe")
	}
	return nil
}
