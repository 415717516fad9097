package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"
)

// Command is one thing that can be done over the management API. Its command is made
// from it: options, usage, checks and errors are alike for all of them.
type Command struct {
	Name, Usage, Details string
	noun                 string // its command
	Args                 string // names of its arguments: "USER KEY"; "..." at the end: any number of them
	Aliases              []string
	AnyArgs              bool // its arguments are no names, and do looks at them
	InProject            bool // a project: --project, or that of the context
	Flags                []cli.Flag
	Required             []string                                    // those of its options that have to be given
	CreatesKey           bool                                        // an API key, which goes to stdout or to a file
	NoJSON               bool                                        // what it prints is of another form
	ConflictHint         string                                      // what to do if something is in the way, beside a change by somebody else
	NotFoundHint         string                                      // what to do if something is not there; empty: what was looked for is said
	Local                func(c *cli.Context) (done bool, err error) // what can be done without the API; may be nil
	Run                  func(ctx context.Context, r *Remote) error
}

// Group is a command for one kind of thing, with its verbs.
func Group(name, usage string, verbs ...Command) *cli.Command {
	c := &cli.Command{Name: name, Usage: usage}
	for i := range verbs {
		c.Subcommands = append(c.Subcommands, verbs[i].command(name))
	}
	return c
}

func (v *Command) command(noun string) *cli.Command {
	v.noun = noun
	flags := slices.Clone(v.Flags)
	if v.CreatesKey {
		flags = append(flags, ToFlag())
	}
	if v.InProject {
		flags = append(flags, &cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "the project `P`; default: that of the context"})
	}
	return &cli.Command{
		Name: v.Name, Aliases: v.Aliases, Usage: v.Usage, Description: v.Details,
		UsageText: v.usageText(noun, flags),
		Flags:     append(flags, v.remoteFlags()...),
		Action: func(c *cli.Context) error {
			if err := v.check(c); err != nil {
				return err
			}
			if v.Local != nil {
				if done, err := v.Local(c); done || err != nil {
					return err
				}
			}
			r, err := connect(c)
			if err != nil {
				return err
			}
			defer r.API.Close()
			if v.InProject {
				if r.Project == "" {
					return cmdutil.UsageError("say it with --project P, or once for all with usher context save", "in which project?")
				}
				if err := CheckName("project", r.Project); err != nil {
					return err
				}
			}
			if v.CreatesKey {
				if r.out, err = OpenKeyOutput(c); err != nil {
					return err
				}
				defer r.out.Drop()
			}
			return v.failed(r, v.Run(c.Context, r))
		},
	}
}

// remoteFlags are those that say where the API is, and --json.
func (v *Command) remoteFlags() []cli.Flag {
	flags := remoteFlags()
	if v.NoJSON {
		flags = slices.DeleteFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == "json" })
	}
	return flags
}

// usageWidth is where a line of usage breaks.
const usageWidth = 84

// usageText writes the usage. The options that say where the API is are left to the
// list of options.
func (v *Command) usageText(noun string, flags []cli.Flag) string {
	var needed, words []string
	for _, f := range flags {
		word, _ := cmdutil.OptionHelp(f)
		word = word[strings.Index(word, "--"):]
		if _, many := f.(*cli.StringSliceFlag); many {
			word += "..."
		}
		if slices.Contains(v.Required, f.Names()[0]) {
			needed = append(needed, word)
		} else {
			words = append(words, "["+word+"]")
		}
	}
	words = slices.Concat(needed, words)
	if !v.NoJSON {
		words = append(words, "[--json]")
	}
	if v.Args != "" {
		words = append(words, v.Args)
	}
	text := "usher " + noun + " " + v.Name
	width := len(text)
	for _, w := range words {
		if width+1+len(w) > usageWidth {
			text += "\n     "
			width = 5
		}
		text += " " + w
		width += 1 + len(w)
	}
	return text
}

func (v *Command) check(c *cli.Context) error {
	names := strings.Fields(v.Args)
	want := len(names)
	if open := v.AnyArgs || strings.HasSuffix(v.Args, "..."); open {
		want = c.NArg()
	}
	if err := cmdutil.Arguments(c, want); err != nil {
		return err
	}
	for _, option := range v.Required {
		if !c.IsSet(option) {
			return cmdutil.UsageError("usage: "+strings.Join(strings.Fields(c.Command.UsageText), " "), "--%s is missing", option)
		}
	}
	if v.AnyArgs {
		return nil
	}
	for i, text := range c.Args().Slice() {
		what := strings.ToLower(strings.TrimSuffix(names[min(i, len(names)-1)], "..."))
		if err := CheckName(what, text); err != nil {
			return err
		}
	}
	return nil
}

// Arg returns an argument of the command.
func (r *Remote) Arg(i int) string { return r.CLI.Args().Get(i) }

// Key prints a key that was just made, alone.
func (r *Remote) Key(answer any, key, format string, args ...any) error {
	return r.Print(answer, func() error {
		if err := r.out.Write(key); err != nil {
			r.Tell(format+", and its key is lost", args...)
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("write the key: %w", err), Hint: "usher key refresh makes another in its place"}
		}
		r.Tell(format+"; its key is "+r.out.Where()+", shown this once", args...)
		return nil
	})
}
