package nkey

import (
	"fmt"

	"github.com/nats-io/nkeys"
	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
	"usher/issuer/keyring"
)

func newCommand() *cli.Command {
	return &cli.Command{
		Name: "new", Usage: "create a key pair",
		UsageText: "usher nkey new --out FILE operator|account|user|xkey",
		Description: "Writes the seed to FILE, a new file with mode 0600, and prints the public key.\n" +
			"An issuer and a signing key of an account are account keys; a signing key of an\n" +
			"operator is an operator key.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "out", Usage: "`FILE` for the seed"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			kind := c.Args().First()
			if err := cmdutil.CheckValues("kind of key", []string{kind}, []string{"operator", "account", "user", "xkey"}); err != nil {
				return err
			}
			create := map[string]func() (nkeys.KeyPair, error){
				"operator": nkeys.CreateOperator, "account": nkeys.CreateAccount,
				"user": nkeys.CreateUser, "xkey": nkeys.CreateCurveKeys,
			}[kind]
			out := c.String("out")
			if out == "" {
				return cmdutil.UsageError("name the file for the seed with --out FILE", "--out is missing")
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
