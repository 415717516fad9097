package main

import (
	"errors"
	"strings"
	"usher/app/config"
	"usher/internal/fault"
	"usher/internal/plural"
	"usher/internal/strictyaml"

	"github.com/urfave/cli/v2"
)

// group puts commands under one heading of the help.
func group(heading string, commands ...*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.Category = heading
	}
	return commands
}

func unknownCommand(name string, commands []*cli.Command) error {
	var known []string
	for _, o := range commandOffers(commands) {
		known = append(known, o.word)
	}
	if len(known) == 0 {
		return usageError("", "there is no command %q", name)
	}
	return usageError(strictyaml.Suggest(name, "commands", known), "there is no command %q", name)
}

// arguments checks how many arguments a verb has, and that none looks like an
// option that came too late.
func arguments(c *cli.Context, want int) error {
	usage := "usage: " + strings.Join(strings.Fields(c.Command.UsageText), " ")
	for _, a := range c.Args().Slice() {
		if len(a) > 1 && a[0] == '-' {
			return usageError(usage, "options come before arguments: %s", a)
		}
	}
	if n := c.NArg(); n != want {
		return usageError(usage, "expected %s, found %d", plural.Count(want, "argument"), n)
	}
	return nil
}

var errNoConfig = errors.New("which configuration?")

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "`FILE` with the configuration: usher.yaml"}
}

func configPath(c *cli.Context) (string, error) {
	path := c.String("config")
	if path == "" {
		return "", usageError("give it with -c FILE", "%w", errNoConfig)
	}
	return path, nil
}

func loadConfig(c *cli.Context) (*config.Config, error) {
	path, err := configPath(c)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	return cfg, nil
}
