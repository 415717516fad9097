package nkey

import (
	"fmt"
	"slices"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/app/deployment"
	"usher/app/rotation"
	"usher/callout/keyusage"
	"usher/issuer"
)

func nkeyStatusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "say who uses which key, and what is safe to retire",
		UsageText: "usher nkey status -c FILE [--all] [--json] [PUBLIC_KEY]",
		Description: "Asks the running ushers how often each key was asked for in the last hour, and\n" +
			"the servers what they go by.",
		Flags: []cli.Flag{cmdutil.ConfigFlag(), allFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return cmdutil.Arguments(c, 1)
			}
			return withLive(c, func(l *deployment.Deployment) error { return printStatus(c, l) })
		},
	}
}

func printStatus(c *cli.Context, l *deployment.Deployment) error {
	rows, state, err := keyStatus(c.Context, l)
	if err != nil {
		return err
	}
	sayRotation(c, state)
	if only := c.Args().First(); only != "" {
		rows = slices.DeleteFunc(rows, func(r KeyRow) bool { return r.PublicKey != only && r.Fingerprint != only })
		if len(rows) == 0 {
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%w: %s", rotation.ErrUnknownKey, only), Hint: "usher nkey list"}
		}
	}
	return printKeys(c, rows, true)
}

// notHeld returns the keys that servers ask for and this keyring does not have.
func notHeld(rows []KeyRow, reports []keyusage.Report) []KeyRow {
	known := map[string]bool{}
	for i := range rows {
		known[rows[i].PublicKey] = true
	}
	var more []KeyRow
	for i := range reports {
		for _, k := range reports[i].Keys {
			if known[k.PublicKey] || k.LastHour == 0 {
				continue
			}
			known[k.PublicKey] = true
			kind := k.Kind
			if kind == "" {
				kind = issuer.KindIssuer
			}
			more = append(more, KeyRow{
				Kind: kind, Account: k.Account, Scope: k.Scope, State: stateMissing,
				Fingerprint: Fingerprint(k.PublicKey), PublicKey: k.PublicKey, Live: liveOf(k.PublicKey, reports, time.Now()),
			})
			more[len(more)-1].Live.Because = []string{"it is not in this keyring, and servers ask for it"}
		}
	}
	return more
}

// stateMissing is what a key is that servers ask for and the keyring does not have.
const stateMissing issuer.KeyState = "missing"

// liveOf gathers what the running ushers report of a key.
func liveOf(public string, reports []keyusage.Report, now time.Time) *keyLive {
	l := &keyLive{Of: len(reports)}
	names := map[string]bool{}
	for i := range reports {
		for _, k := range reports[i].Keys {
			if k.PublicKey != public {
				continue
			}
			if k.State != "" {
				l.Ushers++
			}
			l.LastHour += k.LastHour
			if k.Last != nil && (l.Last == nil || k.Last.After(*l.Last)) {
				l.Last = k.Last
			}
			for _, s := range k.Servers {
				if now.Sub(s.Last) < time.Hour {
					names[s.Name] = true
				}
			}
		}
	}
	for name := range names {
		l.Servers = append(l.Servers, name)
	}
	slices.Sort(l.Servers)
	return l
}
