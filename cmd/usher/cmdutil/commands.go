package cmdutil

import (
	"github.com/urfave/cli/v2"

	"usher/internal/strictyaml"
)

// Categorize puts commands under one heading of the help.
func Categorize(heading string, commands ...*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.Category = heading
	}
	return commands
}

// RootCommand returns the program as a command that has all others as subcommands.
func RootCommand(a *cli.App) *cli.Command {
	return &cli.Command{
		HelpName: a.Name, Usage: a.Usage, UsageText: a.UsageText, Description: a.Description,
		Subcommands: a.Commands, Flags: a.Flags,
	}
}

// FindCommand returns the command with a name or alias, or nil.
func FindCommand(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// UnknownCommand returns a usage error that suggests the nearest command, or lists
// the commands.
func UnknownCommand(name string, commands []*cli.Command) error {
	var known []string
	for _, o := range CommandCompletions(commands) {
		known = append(known, o.Word)
	}
	hint := ""
	if len(known) > 0 {
		hint = strictyaml.Suggest(name, "commands", known)
	}
	return UsageError(hint, "there is no command %q", name)
}

// Completion is a word that the shell can complete to. Description may be empty.
type Completion struct{ Word, Description string }

// CommandCompletions returns the commands that are not hidden.
func CommandCompletions(commands []*cli.Command) []Completion {
	var completions []Completion
	for _, c := range commands {
		if !c.Hidden {
			completions = append(completions, Completion{c.Name, c.Usage})
		}
	}
	return completions
}
