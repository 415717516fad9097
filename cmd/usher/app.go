package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"

	"usher/cmd/usher/auditlog"
	"usher/cmd/usher/ban"
	"usher/cmd/usher/bench"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/dev"
	"usher/cmd/usher/doctor"
	"usher/cmd/usher/initialize"
	"usher/cmd/usher/login"
	"usher/cmd/usher/manage"
	"usher/cmd/usher/nkey"
	"usher/cmd/usher/pki"
	"usher/cmd/usher/push"
	"usher/cmd/usher/remote"
	"usher/cmd/usher/running"
	"usher/cmd/usher/session"
	"usher/cmd/usher/why"
	"usher/internal/fault"
	"usher/internal/nearest"

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

// newApp returns the command line. By default urfave/cli prints usage errors to stdout,
// exits the process itself, and exits 3 on an unknown command; newApp turns that off. It
// also hides the help flag and command of urfave/cli, which are writable package-level
// variables; --help then arrives as flag.ErrHelp.
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
		Action:         groupAction,
		Flags:          []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version, like usher version"}},
		Commands: slices.Concat(
			cmdutil.Categorize("Run usher", dev.Command(), initialize.Command(), bootstrapCommand(), serveCommand(), push.Command(), running.ReloadCommand()),
			cmdutil.Categorize("Keys and tokens", apikeyCommand(), passwordCommand(), nkey.Command(), pki.Command(), login.Command()),
			cmdutil.Categorize("Manage the directory", manage.UserCommand(), manage.KeyCommand(), manage.ProjectCommand(), manage.MemberCommand(),
				manage.TopicCommand(), manage.SubscriptionCommand(), manage.ACLCommand(), manage.DirectoryCommand(), remote.ContextCommand()),
			cmdutil.Categorize("Inspect and test", auditlog.Command(), why.Command(openStore), session.Command(), ban.Command(), checkCommand(), doctor.Command(), running.ConfigCommand(), explainCommand(), identitiesCommand(), tryCommand(), bench.Command(), healthcheckCommand()),
			cmdutil.Categorize("Help", versionCommand(), completionCommand(), completeCommand(), cmdutil.HelpCommand()),
		),
	}
	app.OnUsageError = onUsageError(cmdutil.RootCommand(app))
	for _, c := range app.Commands {
		prepare(app.Name, c)
		c.HelpName = c.Name // urfave/cli prepends the program
	}
	return app
}

// prepare sets help and usage errors of a command and its subcommands.
func prepare(parent string, c *cli.Command) {
	c.HelpName = parent + " " + c.Name
	c.HideHelp = true
	c.OnUsageError = onUsageError(c)
	if c.UsageText == "" {
		c.UsageText = c.HelpName
	}
	switch own := c.Action; {
	case len(c.Subcommands) == 0:
	case own == nil:
		c.UsageText = c.HelpName + " COMMAND [options]"
		c.Action = groupAction
	default: // it also does something itself
		c.Action = func(c *cli.Context) error {
			if c.Args().Present() {
				return groupAction(c)
			}
			return own(c)
		}
	}
	for _, sub := range c.Subcommands {
		prepare(c.HelpName, sub)
	}
}

func onUsageError(command *cli.Command) cli.OnUsageErrorFunc {
	return func(c *cli.Context, err error, _ bool) error {
		if errors.Is(err, flag.ErrHelp) {
			return cmdutil.PrintHelp(c.App.Writer, command)
		}
		hint := "see " + strings.Replace(command.HelpName, "usher", "usher help", 1)
		if option, ok := nearestOption(command, err); ok {
			hint = "did you mean --" + option + "?"
		}
		return cmdutil.UsageError(hint, "%w", err)
	}
}

// nearestOption returns the option of a command that was probably meant by an unknown one.
func nearestOption(command *cli.Command, err error) (option string, ok bool) {
	unknown, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -") // package flag has no type for it
	if !ok {
		return "", false
	}
	var known []string
	for _, f := range command.Flags {
		for _, name := range f.Names() {
			if len(name) > 1 {
				known = append(known, name)
			}
		}
	}
	return nearest.To(unknown, known)
}

// groupAction is the action of a command that has subcommands.
func groupAction(c *cli.Context) error {
	command := c.Command
	if c.Command.Name == c.App.Name { // a copy by urfave/cli
		command = cmdutil.RootCommand(c.App)
		if c.Bool("version") {
			return printVersion(c)
		}
	}
	if name := c.Args().First(); name != "" {
		if other := cmdutil.FindCommand(c.App.Commands, c.Command.Name); other != nil && cmdutil.FindCommand(other.Subcommands, name) != nil {
			return cmdutil.UsageError("did you mean usher "+other.Name+" "+name+"?", "there is no command %q", name) // as for "usher subscription push status"
		}
		return cmdutil.UnknownCommand(name, command.Subcommands)
	}
	if err := cmdutil.PrintHelp(c.App.ErrWriter, command); err != nil {
		return err
	}
	return &fault.Error{Kind: fault.Usage}
}
