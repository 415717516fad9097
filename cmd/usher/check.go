package main

import (
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/app/config"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "find what does not fit: configuration, directory, seeds, live server",
		UsageText: "usher check -c FILE [--server-config FILE]… [--offline] [--json]",
		Description: "Reads configuration, directory and keyring, then connects to every server of\n" +
			"nats.urls and every other one that it can learn of (cluster, supercluster, leaf\n" +
			"servers), and looks at the authorization request that a client without\n" +
			"credentials causes. With a system user (nats.system_user) it also says which\n" +
			"server lacks the account of a project. In operator mode it holds operator,\n" +
			"account and user JWTs, on disk and as servers go by them, to what usher needs\n" +
			"(docs/reference/checks.md).",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.BoolFlag{Name: "offline", Usage: "look at the files only"},
			&cli.StringSliceFlag{Name: "server-config", Usage: "look at a nats-server.conf too, a `FILE` of config mode, with the static users in it; may be given several times"},
			&cli.BoolFlag{Name: "json", Usage: "print findings as JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 0); err != nil {
				return err
			}
			path, err := cmdutil.ConfigPath(c)
			if err != nil {
				return err
			}
			var f finding.List
			cfg, err := config.Load(path)
			switch {
			case err != nil && !c.Bool("json"):
				return fault.InConfig(err)
			case err != nil:
				f.Failed("configuration", fault.InConfig(err))
				return cmdutil.PrintFindings(c, f)
			}
			checkup.Check(c.Context, &f, path, cfg, c.Bool("offline"), c.StringSlice("server-config"))
			return cmdutil.PrintFindings(c, f)
		},
	}
}
