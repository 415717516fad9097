package main

import (
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "check configuration, directory, keyring and live servers",
		UsageText: "usher check -c FILE [--server-config FILE]... [--offline] [--json]",
		Description: "Reads configuration, directory and keyring. Then connects to every server of\n" +
			"nats.urls and every other server that it discovers (cluster, supercluster, leaf\n" +
			"servers), and checks the authorization request for a client without credentials.\n" +
			"With a system user (nats.system_user) it also finds servers that lack the account\n" +
			"of a project. In operator mode it checks that the operator, account and user JWTs,\n" +
			"on disk and on the servers, have what usher needs (docs/reference/checks.md).",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.BoolFlag{Name: "offline", Usage: "check the files only"},
			&cli.StringSliceFlag{Name: "server-config", Usage: "also check `FILE`, a nats-server.conf of config mode, and its static users"},
			&cli.BoolFlag{Name: "json", Usage: "print findings as JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			path, err := cmdutil.ConfigPath(c)
			if err != nil {
				return err
			}
			var f finding.List
			cfg, err := cmdutil.ReadConfig(path)
			switch {
			case err != nil && !c.Bool("json"):
				return err
			case err != nil:
				f.Failed("configuration", err)
				return cmdutil.PrintFindings(c, f)
			}
			checkup.Check(c.Context, &f, path, cfg, c.Bool("offline"), c.StringSlice("server-config"))
			return cmdutil.PrintFindings(c, f)
		},
	}
}
