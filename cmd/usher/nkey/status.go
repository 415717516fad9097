package nkey

import (
	"context"
	"fmt"
	"slices"
	"time"

	"usher/issuer/keyring"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/app/deployment"
	"usher/app/rotation"
	"usher/issuer"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show who uses which key, and which keys are safe to retire",
		UsageText: "usher nkey status -c FILE [--all] [--json] [PUBLIC_KEY]",
		Description: "Asks the running ushers how often each key was requested in the last hour, and the\n" +
			"servers which keys they use.",
		Flags: []cli.Flag{cmdutil.ConfigFlag(), allFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return cmdutil.ExactArgs(c, 1)
			}
			return withDeployment(c, func(d *deployment.Deployment) error { return printStatus(c, d) })
		},
	}
}

func printStatus(c *cli.Context, d *deployment.Deployment) error {
	rows, state, err := keyStatus(c.Context, d)
	if err != nil {
		return err
	}
	noteRotation(c, d.Cfg.Keyring.Dir, state)
	if only := c.Args().First(); only != "" {
		rows = slices.DeleteFunc(rows, func(r KeyInfo) bool { return r.PublicKey != only && r.Fingerprint != only })
		if len(rows) == 0 {
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%w: %s", rotation.ErrUnknownKey, only), Hint: "list the keys with usher nkey list"}
		}
	}
	return printKeys(c, rows, true)
}

// keyStatus returns the keys of the keyring and the keys that servers request without it,
// with their usage.
func keyStatus(ctx context.Context, d *deployment.Deployment) ([]KeyInfo, *keyring.State, error) {
	rows, state, err := keyringKeys(d.Cfg, time.Now())
	if err != nil {
		return nil, nil, err
	}
	reports, err := d.Reports(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.Rotator(func(string) {}, 0, false)
	if err != nil {
		return nil, nil, err
	}
	for i := range rows {
		row := &rows[i]
		row.Live = usageOf(row.PublicKey, reports, time.Now())
		if row.State == issuer.StateRetired {
			row.Live.Because = []string{"it is retired"}
			continue
		}
		because, err := r.Blockers(ctx, state, state.Entry(row.PublicKey))
		if err != nil {
			because = []string{"cannot check: " + err.Error()}
		}
		row.Live.Because, row.Live.Safe = because, len(because) == 0
	}
	return append(rows, missingKeys(rows, reports)...), state, nil
}
