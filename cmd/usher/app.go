package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"

	"usher/cmd/usher/bench"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/manage"
	"usher/cmd/usher/nkey"
	"usher/cmd/usher/remote"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"
)

const description = `usher decides who may connect to NATS and what they may do there. A stock
nats-server asks it about every connection (auth callout); usher verifies the
credential, derives the permissions, and answers with a signed user JWT.

Try it:              usher dev
With your server:    usher init DIR
                     nats-server -c DIR/nats-server.conf
                     usher serve -c DIR/usher.yaml
Over its API:        usher context save --server URL --key-file FILE NAME
                     usher user list

Exit codes: 0 ok, 1 runtime, 2 usage, 3 configuration, 4 denied.`

// newApp returns the command line. urfave/cli would print usage errors to
// stdout, exit by itself and exit 3 on an unknown command; it is told otherwise.
// Its help flag and command are package-level variables that it writes to, so
// they are hidden: "--help" arrives as flag.ErrHelp then.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:           "usher",
		Usage:          "auth callout service for NATS",
		UsageText:      "usher COMMAND [options]",
		Description:    description,
		Writer:         stdout,
		ErrWriter:      stderr,
		HideVersion:    true,
		HideHelp:       true,
		ExitErrHandler: func(*cli.Context, error) {},
		Action:         onlyHolds,
		Flags:          []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version, as usher version does"}},
		Commands: slices.Concat(
			cmdutil.Group("Run it", devCommand(), initCommand(), bootstrapCommand(), serveCommand()),
			cmdutil.Group("Keys", apikeyCommand(), nkey.NkeyCommand()),
			cmdutil.Group("Manage the directory", manage.UserCommand(), manage.KeyCommand(), manage.ProjectCommand(), manage.MemberCommand(),
				manage.TopicCommand(), manage.SubscriptionCommand(), manage.AclCommand(), manage.DirectoryCommand(), remote.ContextCommand()),
			cmdutil.Group("Look into it", checkCommand(), explainCommand(), tryCommand(), bench.BenchCommand(), healthcheckCommand()),
			cmdutil.Group("usher itself", versionCommand(), completionCommand(), completeCommand(), cmdutil.HelpCommand()),
		),
	}
	app.OnUsageError = onUsageError(cmdutil.Root(app))
	for _, c := range app.Commands {
		prepare(app.Name, c)
		c.HelpName = c.Name // urfave/cli puts the program before it
	}
	return app
}

// prepare makes a command and those below it fail, and help, like all others.
func prepare(parent string, c *cli.Command) {
	c.HelpName = parent + " " + c.Name
	c.HideHelp = true
	c.OnUsageError = onUsageError(c)
	if c.UsageText == "" {
		c.UsageText = c.HelpName
	}
	if len(c.Subcommands) > 0 {
		c.UsageText = c.HelpName + " COMMAND [options]"
		c.Action = onlyHolds
	}
	for _, sub := range c.Subcommands {
		prepare(c.HelpName, sub)
	}
}

func onUsageError(command *cli.Command) cli.OnUsageErrorFunc {
	return func(c *cli.Context, err error, _ bool) error {
		if errors.Is(err, flag.ErrHelp) {
			return cmdutil.ShowHelp(c.App.Writer, command)
		}
		return cmdutil.UsageError("see "+strings.Replace(command.HelpName, "usher", "usher help", 1), "%w", err)
	}
}

// onlyHolds is what a command does that only holds others.
func onlyHolds(c *cli.Context) error {
	command := c.Command
	if c.Command.Name == c.App.Name { // a copy that urfave/cli made
		command = cmdutil.Root(c.App)
		if c.Bool("version") {
			return printVersion(c)
		}
	}
	if name := c.Args().First(); name != "" {
		return cmdutil.UnknownCommand(name, command.Subcommands)
	}
	if err := cmdutil.ShowHelp(c.App.ErrWriter, command); err != nil {
		return err
	}
	return &fault.Error{Kind: fault.Usage}
}
