package main

import (
	"errors"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/strictyaml"
)

const description = `usher decides who may connect to NATS and what they may do there. A stock
nats-server asks it about every connection (auth callout); usher verifies the
credential, derives the permissions, and answers with a signed user JWT.

Try it:              usher dev
With your server:    usher init DIR && nats-server -c DIR/nats-server.conf
                     usher serve -c DIR/usher.yaml

Exit codes: 0 ok, 1 runtime, 2 usage, 3 configuration, 4 denied.`

// newApp returns the command line. urfave/cli would print usage errors to
// stdout, exit by itself and exit 3 on an unknown command; it is told otherwise.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:            "usher",
		Usage:           "auth callout service for NATS",
		UsageText:       "usher COMMAND [options]",
		Description:     description,
		Writer:          stdout,
		ErrWriter:       stderr,
		HideVersion:     true,
		HideHelpCommand: false,
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    onUsageError,
		Action:          group,
		Commands: []*cli.Command{
			devCommand(), initCommand(), serveCommand(),
			apikeyCommand(),
			checkCommand(), explainCommand(), tryCommand(), healthcheckCommand(), versionCommand(),
		},
	}
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

// prepare makes a command and those below it fail like all others.
func prepare(c *cli.Command) {
	c.OnUsageError = onUsageError
	c.HideHelpCommand = true
	if len(c.Subcommands) > 0 {
		c.Action = group
	}
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	return usageError("see usher help "+c.Command.Name, "%w", err)
}

// group is what a command does that only holds others.
func group(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		var known []string
		for _, sub := range c.Command.Subcommands {
			known = append(known, sub.Name)
		}
		return usageError(strictyaml.Suggest(name, "commands", known), "there is no command %q", name)
	}
	if err := cli.ShowSubcommandHelp(c); err != nil {
		return err
	}
	return &exitError{code: exitUsage}
}

// arguments checks how many arguments a verb has, and that none looks like an
// option that came too late.
func arguments(c *cli.Context, want int, usage string) error {
	if c.NArg() != want {
		return usageError("usage: usher "+usage, "expected %d arguments, found %d", want, c.NArg())
	}
	if slices.ContainsFunc(c.Args().Slice(), func(a string) bool { return len(a) > 1 && a[0] == '-' }) {
		return usageError("usage: usher "+usage, "options come before arguments")
	}
	return nil
}

var errNoConfig = errors.New("which configuration?")

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "`FILE` with the configuration (usher.yaml)"}
}

func configPath(c *cli.Context) (string, error) {
	path := c.String("config")
	if path == "" {
		return "", usageError("give it with -c FILE", "%w", errNoConfig)
	}
	return path, nil
}
