package cmdutil

import (
	"errors"
	"strings"

	"usher/app/config"
	"usher/internal/fault"
	"usher/internal/plural"
	"usher/internal/strictyaml"

	"github.com/urfave/cli/v2"
)

// Group puts commands under one heading of the help.
func Group(heading string, commands ...*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.Category = heading
	}
	return commands
}

func UnknownCommand(name string, commands []*cli.Command) error {
	var known []string
	for _, o := range CommandOffers(commands) {
		known = append(known, o.Word)
	}
	if len(known) == 0 {
		return UsageError("", "there is no command %q", name)
	}
	return UsageError(strictyaml.Suggest(name, "commands", known), "there is no command %q", name)
}

// Arguments checks how many arguments a verb has, and that none looks like an
// option that came too late.
func Arguments(c *cli.Context, want int) error {
	usage := "usage: " + strings.Join(strings.Fields(c.Command.UsageText), " ")
	for _, a := range c.Args().Slice() {
		if len(a) > 1 && a[0] == '-' {
			return UsageError(usage, "options come before arguments: %s", a)
		}
	}
	if n := c.NArg(); n != want {
		return UsageError(usage, "expected %s, found %d", plural.Count(want, "argument"), n)
	}
	return nil
}

var errNoConfig = errors.New("which configuration?")

func ConfigFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "`FILE` with the configuration: usher.yaml"}
}

func ConfigPath(c *cli.Context) (string, error) {
	path := c.String("config")
	if path == "" {
		return "", UsageError("give it with -c FILE", "%w", errNoConfig)
	}
	return path, nil
}

func LoadConfig(c *cli.Context) (*config.Config, error) {
	path, err := ConfigPath(c)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	return cfg, nil
}
