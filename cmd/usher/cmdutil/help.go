package cmdutil

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// HelpCommand is ours, because that of urfave/cli knows no commands below
// commands, and takes an unknown one for a runtime error.
func HelpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "say what a command does",
		UsageText: "usher help [COMMAND...]",
		Action: func(c *cli.Context) error {
			here := c.App.Commands
			page := Root(c.App)
			for _, name := range c.Args().Slice() {
				next := Find(here, name)
				if next == nil {
					return UnknownCommand(name, here)
				}
				page, here = next, next.Subcommands
			}
			return ShowHelp(c.App.Writer, page)
		},
	}
}

// Root returns the program as the command that holds all others.
func Root(a *cli.App) *cli.Command {
	return &cli.Command{
		HelpName: a.Name, Usage: a.Usage, UsageText: a.UsageText, Description: a.Description,
		Subcommands: a.Commands, Flags: a.Flags,
	}
}

func Find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// ShowHelp writes the page of one command.
func ShowHelp(out io.Writer, c *cli.Command) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: %s\n\nUsage:\n  %s\n", c.HelpName, c.Usage, strings.ReplaceAll(c.UsageText, "\n", "\n  "))
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", c.Description)
	}
	if len(c.Subcommands) > 0 {
		heading, width := "", 0
		for _, o := range CommandOffers(c.Subcommands) {
			width = max(width, len(o.Word)) // all headings have the same columns
		}
		for i, sub := range c.Subcommands {
			if sub.Hidden {
				continue
			}
			if next := cmp.Or(sub.Category, "Commands"); i == 0 || next != heading {
				fmt.Fprintf(w, "\n%s:\n", next)
				heading = next
			}
			fmt.Fprintf(w, "  %-*s\t%s\n", width, sub.Name, strings.Join(append([]string{sub.Usage}, also(sub)...), "; also "))
		}
		fmt.Fprintf(w, "\n%q says more of one of them.\n", strings.Replace(c.HelpName, "usher", "usher help", 1)+" COMMAND")
	}
	if len(c.Flags) > 0 {
		fmt.Fprint(w, "\nOptions:\n")
		for _, f := range c.Flags {
			name, text := OptionHelp(f)
			fmt.Fprintf(w, "  %s\t%s\n", name, text)
		}
	}
	return w.Flush()
}

// also returns the other names of a command, as one text; or none.
func also(c *cli.Command) []string {
	if len(c.Aliases) == 0 {
		return nil
	}
	return []string{strings.Join(c.Aliases, ", ")}
}

// OptionHelp returns both columns of an option. Its value is named by what
// stands in back quotes in its text.
func OptionHelp(f cli.Flag) (name, text string) {
	for _, n := range f.Names() {
		if len(n) == 1 {
			name = "-" + n + ", " + name
		} else {
			name += "--" + n
		}
	}
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return name, ""
	}
	text = d.GetUsage()
	if before, rest, ok := strings.Cut(text, "`"); ok {
		value, after, _ := strings.Cut(rest, "`")
		name, text = name+" "+value, before+value+after
	}
	switch f := f.(type) {
	case *cli.StringFlag:
		if f.Value != "" {
			text += " (default " + f.Value + ")"
		}
	case *cli.DurationFlag:
		if f.Value > 0 {
			text += " (default " + f.Value.String() + ")"
		}
	case *cli.StringSliceFlag:
		text += " (may be repeated)"
	}
	return name, text
}
