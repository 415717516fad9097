package nkey

import (
	"fmt"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/rotation"
	"usher/cmd/usher/cmdutil"
	"usher/issuer"
	"usher/issuer/keyring"
)

func NkeyCommand() *cli.Command {
	return &cli.Command{
		Name:  "nkey",
		Usage: "make, list and rotate the keys that usher and the servers go by",
		Subcommands: []*cli.Command{
			nkeyNewCommand(), nkeyListCommand(), nkeyStatusCommand(),
			nkeyRotateCommand(), nkeyRetireCommand(), nkeyVerifyCommand(), nkeyPushCommand(),
		},
	}
}

func nkeyNewCommand() *cli.Command {
	return &cli.Command{
		Name: "new", Usage: "make a key pair",
		UsageText: "usher nkey new --out FILE operator|account|user|xkey",
		Description: "The seed goes to FILE, which nobody else can read and which must not be there\n" +
			"yet; the public key goes to stdout. An account key is what an issuer and an\n" +
			"account's signing key are, an operator key what an operator's signing key is.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "out", Usage: "`FILE` for the seed"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 1); err != nil {
				return err
			}
			create, ok := map[string]func() (nkeys.KeyPair, error){
				"operator": nkeys.CreateOperator, "account": nkeys.CreateAccount,
				"user": nkeys.CreateUser, "xkey": nkeys.CreateCurveKeys,
			}[c.Args().First()]
			if !ok {
				return cmdutil.UsageError("operator, account, user or xkey", "%q is no kind of key", c.Args().First())
			}
			out := c.String("out")
			if out == "" {
				return cmdutil.UsageError("say it with --out FILE", "where to put the seed?")
			}
			kp, err := create()
			if err != nil {
				return err
			}
			defer kp.Wipe()
			seed, err := kp.Seed()
			if err != nil {
				return err
			}
			defer clear(seed)
			public, err := kp.PublicKey()
			if err != nil {
				return err
			}
			if err := keyring.WriteSeed(out, seed, keyring.Config{}); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.App.Writer, public)
			return err
		},
	}
}

// targetOf reads what to rotate.
func targetOf(c *cli.Context, cfg *config.Config) (rotation.Target, error) {
	t := rotation.Target{Kind: c.Args().First(), Place: issuer.Place{Account: c.String("account"), Scope: c.String("scope")}}
	operator := cfg.NATS.Mode == config.ModeOperator
	switch {
	case t.Kind == issuer.KindIssuer && operator:
		// What answers the servers: in operator mode a signing key of the callout account.
		if t.Place != (issuer.Place{}) {
			return t, cmdutil.UsageError("", "the issuer is a key of %s, and takes neither --account nor --scope", cfg.Accounts.Callout)
		}
		t.Kind, t.Place.Account = issuer.KindSigning, cfg.Accounts.Callout
	case t.Kind == issuer.KindSigning && !operator:
		return t, cmdutil.UsageError("", "signing keys of accounts are for operator mode (nats.mode)")
	case t.Kind == issuer.KindSigning && t.Place.Account == "":
		return t, cmdutil.UsageError("say it with --account NAME", "the signing key of which account?")
	case t.Kind == issuer.KindSigning:
	case t.Kind != issuer.KindIssuer && t.Kind != issuer.KindXKey:
		return t, cmdutil.UsageError("issuer, signing_key or xkey", "%q is nothing that rotates", t.Kind)
	case t.Place != (issuer.Place{}):
		return t, cmdutil.UsageError("", "%s takes neither --account nor --scope", t.Kind)
	}
	return t, nil
}

func nkeyListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the keys of the keyring",
		UsageText: "usher nkey list -c FILE [--all] [--json]",
		Flags:     []cli.Flag{cmdutil.ConfigFlag(), allFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 0); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			rows, state, err := keyRows(cfg, time.Now())
			if err != nil {
				return err
			}
			sayRotation(c, state)
			return printKeys(c, rows, false)
		},
	}
}
