package nkey

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"usher/app/config"
	"usher/issuer"

	"github.com/urfave/cli/v2"

	"usher/app/deployment"
	"usher/app/rotation"
	"usher/cmd/usher/cmdutil"
)

func rotateCommand() *cli.Command {
	return &cli.Command{
		Name: "rotate", Usage: "replace a key without downtime",
		UsageText: "usher nkey rotate -c FILE [--account A [--scope S]] [--dry-run] [--wait TIME] issuer|signing_key|xkey\n" +
			"   usher nkey rotate -c FILE --resume|--rollback",
		Description: "Creates a new key, waits until every running usher has loaded it, announces it to\n" +
			"the servers, activates it, and retires the old key once nothing depends on it. In\n" +
			"operator mode it changes the account JWT and pushes it. In config mode it prints\n" +
			"the lines to change; restart one server after the other, then run it with --resume.\n" +
			"If the old key is still in use after --wait, it stays in state retiring; retire it\n" +
			"later with usher nkey retire.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "account", Usage: "`NAME` of the account whose signing key is rotated (operator mode)"},
			&cli.StringFlag{Name: "scope", Usage: "`NAME` of the scope of a scoped signing key"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the steps and the change of the account JWT, without changing anything"},
			&cli.DurationFlag{Name: "wait", Usage: "`TIME` to wait for the servers and for the old key, such as 10m", Value: deployment.DefaultWait},
			cmdutil.WithoutFlag(), cmdutil.NoUsherFlag(),
			&cli.BoolFlag{Name: "resume", Usage: "continue an interrupted rotation"},
			&cli.BoolFlag{Name: "rollback", Usage: "undo an interrupted rotation"},
			&cli.BoolFlag{Name: "json", Usage: "print the result as JSON"},
		},
		Action: rotate,
	}
}

func rotate(c *cli.Context) error {
	existing := c.Bool("resume") || c.Bool("rollback")
	switch {
	case c.Bool("resume") && c.Bool("rollback"):
		return cmdutil.UsageError("", "--resume and --rollback: give only one of them")
	case existing && c.Bool("dry-run"):
		return cmdutil.UsageError("", "--dry-run does not apply to --resume and --rollback")
	case existing && c.NArg() > 0:
		return cmdutil.UsageError("keyring.yaml names the rotation in progress", "unexpected argument %q with --resume or --rollback", c.Args().First())
	case !existing && c.NArg() != 1:
		return cmdutil.ExactArgs(c, 1)
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	var target rotation.Target
	if !existing {
		if target, err = rotationTarget(c, cfg); err != nil {
			return err
		}
	}
	d, err := deployment.Open(cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	r, err := d.Rotator(cmdutil.ProgressPrinter(c), c.Duration("wait"), !c.Bool("dry-run"))
	if err != nil {
		return err
	}
	r.IgnoredServers, r.NoUsher = c.StringSlice("without"), c.Bool("no-usher")
	if c.Bool("dry-run") {
		return printPlan(c, r, target)
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

func printPlan(c *cli.Context, r *rotation.Rotator, t rotation.Target) error {
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
		cmdutil.Note(c.App.ErrWriter, result.Old+" is retiring but still in use: "+strings.Join(result.Blockers, "; "))
		cmdutil.Hint(c.App.ErrWriter, "run usher nkey retire "+result.Old+" when usher nkey status shows that it is safe")
	}
	return nil
}

// rotationTarget reads which key to rotate.
func rotationTarget(c *cli.Context, cfg *config.Config) (rotation.Target, error) {
	t := rotation.Target{Kind: c.Args().First(), Place: issuer.Place{Account: c.String("account"), Scope: c.String("scope")}}
	operator := cfg.NATS.Mode == config.ModeOperator
	switch {
	case t.Kind == issuer.KindIssuer && operator:
		// In operator mode a signing key of the callout account signs the responses.
		if t.Place != (issuer.Place{}) {
			return t, cmdutil.UsageError("", "the issuer is a key of %s: --account and --scope do not apply", cfg.Accounts.Callout)
		}
		t.Kind, t.Place.Account = issuer.KindSigning, cfg.Accounts.Callout
	case t.Kind == issuer.KindSigning && !operator:
		return t, cmdutil.UsageError("", "signing keys of accounts exist in operator mode only (nats.mode)")
	case t.Kind == issuer.KindSigning && t.Place.Account == "":
		return t, cmdutil.UsageError("name the account with --account NAME", "--account is missing")
	case t.Kind == issuer.KindSigning:
	case t.Kind != issuer.KindIssuer && t.Kind != issuer.KindXKey:
		return t, cmdutil.CheckValues("kind of key", []string{t.Kind}, rotatable())
	case t.Place != (issuer.Place{}):
		return t, cmdutil.UsageError("", "%s: --account and --scope do not apply", t.Kind)
	}
	return t, nil
}

func rotatable() []string { return []string{issuer.KindIssuer, issuer.KindSigning, issuer.KindXKey} }
