package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/rotation"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// defaultWait is how long a rotation waits for an old key to fall out of use.
const defaultWait = time.Minute

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
			configFlag(),
			&cli.StringFlag{Name: "account", Usage: "`NAME` of the account of a signing key (operator mode)"},
			&cli.StringFlag{Name: "scope", Usage: "`NAME` of the scope of a scoped signing key"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, and the change of the account JWT; change nothing"},
			&cli.DurationFlag{Name: "wait", Usage: "how long to wait for servers and for the old key, a `TIME` such as 10m", Value: defaultWait},
			withoutFlag(), noUsherFlag(),
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
		return usageError("", "--resume and --rollback cannot stand together")
	case again && c.Bool("dry-run"):
		return usageError("", "--dry-run is for a rotation that has not begun")
	case again && c.NArg() > 0:
		return usageError("keyring.yaml says which rotation it is", "%q beside --resume or --rollback", c.Args().First())
	case !again && c.NArg() == 0:
		return usageError("issuer, signing_key or xkey", "rotate what?")
	case !again && c.NArg() > 1:
		return arguments(c, 1)
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	var target rotation.Target
	if !again {
		if target, err = targetOf(c, cfg); err != nil {
			return err
		}
	}
	l, err := openLive(cfg)
	if err != nil {
		return err
	}
	defer l.close()
	r, err := l.rotator(sayTo(c), c.Duration("wait"), !c.Bool("dry-run"))
	if err != nil {
		return err
	}
	r.Without, r.NoUsher = c.StringSlice("without"), c.Bool("no-usher")
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
		return rotationError(cfg, err)
	}
	return printResult(c, &result)
}

func withoutFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "without", Usage: "`NAME` of a server that is gone for good; it is not waited for"}
}

func noUsherFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-usher", Usage: "no usher runs, so that none has to pick a key up"}
}

// sayTo tells a person how a rotation goes, on standard error.
func sayTo(c *cli.Context) func(string) {
	return func(line string) { fmt.Fprintln(c.App.ErrWriter, line) }
}

func nkeyPlan(c *cli.Context, r *rotation.Rotator, t rotation.Target) error {
	plan, err := r.Plan(c.Context, t)
	if err != nil {
		return rotationError(nil, err)
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
		say(c.App.ErrWriter, "note", result.Old+" is retiring, and still in use: "+strings.Join(result.Blockers, "; "))
		say(c.App.ErrWriter, "hint", "usher nkey retire "+result.Old+" once usher nkey status says that it is safe")
	}
	return nil
}

// rotationError gives a refusal its exit code and its way out.
func rotationError(cfg *config.Config, err error) error {
	e := &exitError{code: exitRuntime, err: err}
	var wait *rotation.WaitError
	var fewer *operator.FewerError
	switch {
	case operator.TrustHint(err) != "":
		e.code, e.hint = exitConfig, operator.TrustHint(err)
	case errors.Is(err, rotation.ErrUnderWay):
		e.hint = "usher nkey rotate --resume goes on with it, --rollback undoes it"
	case errors.Is(err, keyring.ErrLocked):
		e.hint = "wait until it is through; usher nkey list shows how far it is"
	case errors.Is(err, rotation.ErrActive):
		e.hint = "usher nkey rotate replaces it; --now, for a key that others have got hold of, does both at once"
	case errors.Is(err, rotation.ErrSeveral):
		e.hint = "keyring.yaml says the state of each key (docs/reference/keyring.md); set what is not in use any more to retiring"
	case errors.Is(err, rotation.ErrElsewhere):
		e.hint = "put the new key into keyring.yaml, with its command and state: next (docs/how-to/rotate-keys.md); then rotate again"
	case errors.Is(err, rotation.ErrEdited):
		e.hint = "your change stands; usher nkey rotate --resume goes on with what was begun"
	case errors.Is(err, rotation.ErrDone):
		e.hint = "usher nkey rotate --resume brings it to its end; to go back, rotate again"
	case errors.Is(err, operator.ErrUnscoped):
		e.hint = "the account JWT has to have the key with the scope and its template: put it right with nsc or by hand, push it, then --resume"
	case errors.Is(err, context.Canceled):
		e.hint = "what was begun is in keyring.yaml: usher nkey rotate --resume goes on with it, --rollback undoes it"
	case errors.As(err, &fewer):
		e.hint = "a server that has crashed is counted for some minutes; wait, or name one that is gone for good with --without"
	case errors.Is(err, rotation.ErrUnpushed):
		e.hint = "usher nkey push NAME gives it to the servers first"
	case errors.As(err, &wait):
		e.hint = "nothing is lost: usher nkey rotate --resume goes on, --rollback undoes it"
		if cfg != nil && cfg.NATS.Mode == config.ModeConfig && wait.For != "" {
			e.hint = "change the lines above and restart the servers one after the other; then usher nkey rotate --resume (or --rollback)"
		}
	}
	return e
}
