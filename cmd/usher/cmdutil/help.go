package cmdutil

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// HelpCommand returns "usher help". The one of urfave/cli does not take nested commands,
// and treats an unknown command as a runtime error.
func HelpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "show the help of a command",
		UsageText: "usher help [COMMAND...]",
		Action: func(c *cli.Context) error {
			commands := c.App.Commands
			page := RootCommand(c.App)
			for _, name := range c.Args().Slice() {
				next := FindCommand(commands, name)
				if next == nil {
					return UnknownCommand(name, commands)
				}
				page, commands = next, next.Subcommands
			}
			return PrintHelp(c.App.Writer, page)
		},
	}
}

// PrintHelp prints the help page of a command.
func PrintHelp(out io.Writer, c *cli.Command) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: %s\n\nUsage:\n  %s\n", c.HelpName, c.Usage, strings.ReplaceAll(c.UsageText, "\n", "\n  "))
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", c.Description)
	}
	if len(c.Subcommands) > 0 {
		heading, width := "", 0
		for _, o := range CommandCompletions(c.Subcommands) {
			width = max(width, len(o.Word)) // align the columns of all categories
		}
		for i, sub := range c.Subcommands {
			if sub.Hidden {
				continue
			}
			if next := cmp.Or(sub.Category, "Commands"); i == 0 || next != heading {
				fmt.Fprintf(w, "\n%s:\n", next)
				heading = next
			}
			fmt.Fprintf(w, "  %-*s\t%s\n", width, sub.Name, sub.Usage+aliasText(sub))
		}
		fmt.Fprintf(w, "\nRun %q for more about a command.\n", strings.Replace(c.HelpName, "usher", "usher help", 1)+" COMMAND")
	}
	if len(c.Flags) > 0 {
		fmt.Fprint(w, "\nOptions:\n")
		for _, f := range c.Flags {
			name, text := FlagHelp(f)
			fmt.Fprintf(w, "  %s\t%s\n", name, text)
		}
	}
	return w.Flush()
}

func aliasText(c *cli.Command) string {
	if len(c.Aliases) == 0 {
		return ""
	}
	return " (alias " + strings.Join(c.Aliases, ", ") + ")"
}

// FlagHelp returns the name and the description of an option, as its help shows them.
// As in urfave/cli, the word in back quotes in its usage is the name of its value.
func FlagHelp(f cli.Flag) (name, text string) {
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
	if value := defaultText(f); value != "" {
		text += " (default " + value + ")"
	}
	if _, ok := f.(*cli.StringSliceFlag); ok {
		text += " (may be repeated)"
	}
	return name, text
}

// defaultText returns the default of an option: its DefaultText if set, else its value
// unless that is zero.
func defaultText(f cli.Flag) string {
	switch f := f.(type) {
	case *cli.StringFlag:
		return cmp.Or(f.DefaultText, f.Value)
	case *cli.StringSliceFlag:
		return f.DefaultText
	case *cli.DurationFlag:
		if f.DefaultText == "" && f.Value > 0 {
			return f.Value.String()
		}
		return f.DefaultText
	case *cli.IntFlag:
		if f.DefaultText == "" && f.Value != 0 {
			return strconv.Itoa(f.Value)
		}
		return f.DefaultText
	case *cli.Float64Flag:
		if f.DefaultText == "" && f.Value != 0 {
			return strconv.FormatFloat(f.Value, 'g', -1, 64)
		}
		return f.DefaultText
	}
	return ""
}
