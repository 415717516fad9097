package manage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"
)

// verb is one thing that can be done over the management API. Its command is made
// from it: options, usage, checks and errors are alike for all of them.
type verb struct {
	name, usage, more string
	noun              string // its command
	args              string // names of its arguments: "USER KEY"; "..." at the end: any number of them
	aliases           []string
	free              bool // its arguments are no names, and do looks at them
	inside            bool // a project: --project, or that of the context
	flags             []cli.Flag
	needs             []string                                    // those of its options that have to be given
	makesKey          bool                                        // an API key, which goes to stdout or to a file
	noJSON            bool                                        // what it prints is of another form
	clash             string                                      // what to do if something is in the way, beside a change by somebody else
	missing           string                                      // what to do if something is not there; empty: what was looked for is said
	local             func(c *cli.Context) (done bool, err error) // what can be done without the API; may be nil
	do                func(ctx context.Context, r *remote) error
}

// nounCommand is a command for one kind of thing, with its verbs.
func nounCommand(name, usage string, verbs ...verb) *cli.Command {
	c := &cli.Command{Name: name, Usage: usage}
	for i := range verbs {
		c.Subcommands = append(c.Subcommands, verbs[i].command(name))
	}
	return c
}

func (v *verb) command(noun string) *cli.Command {
	v.noun = noun
	flags := slices.Clone(v.flags)
	if v.makesKey {
		flags = append(flags, ToFlag())
	}
	if v.inside {
		flags = append(flags, &cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "the project `P`; default: that of the context"})
	}
	return &cli.Command{
		Name: v.name, Aliases: v.aliases, Usage: v.usage, Description: v.more,
		UsageText: v.usageText(noun, flags),
		Flags:     append(flags, v.remoteFlags()...),
		Action: func(c *cli.Context) error {
			if err := v.check(c); err != nil {
				return err
			}
			if v.local != nil {
				if done, err := v.local(c); done || err != nil {
					return err
				}
			}
			r, err := connect(c)
			if err != nil {
				return err
			}
			defer r.api.Close()
			if v.inside {
				if r.project == "" {
					return cmdutil.UsageError("say it with --project P, or once for all with usher context save", "in which project?")
				}
				if err := checkName("project", r.project); err != nil {
					return err
				}
			}
			if v.makesKey {
				if r.out, err = OpenKeyOutput(c); err != nil {
					return err
				}
				defer r.out.Drop()
			}
			return v.failed(r, v.do(c.Context, r))
		},
	}
}

// remoteFlags are those that say where the API is, and --json.
func (v *verb) remoteFlags() []cli.Flag {
	flags := remoteFlags()
	if v.noJSON {
		flags = slices.DeleteFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == "json" })
	}
	return flags
}

// usageWidth is where a line of usage breaks.
const usageWidth = 84

// usageText writes the usage. The options that say where the API is are left to the
// list of options.
func (v *verb) usageText(noun string, flags []cli.Flag) string {
	var needed, words []string
	for _, f := range flags {
		word, _ := cmdutil.OptionHelp(f)
		word = word[strings.Index(word, "--"):]
		if _, many := f.(*cli.StringSliceFlag); many {
			word += "..."
		}
		if slices.Contains(v.needs, f.Names()[0]) {
			needed = append(needed, word)
		} else {
			words = append(words, "["+word+"]")
		}
	}
	words = slices.Concat(needed, words)
	if !v.noJSON {
		words = append(words, "[--json]")
	}
	if v.args != "" {
		words = append(words, v.args)
	}
	text := "usher " + noun + " " + v.name
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

func (v *verb) check(c *cli.Context) error {
	names := strings.Fields(v.args)
	want := len(names)
	if open := v.free || strings.HasSuffix(v.args, "..."); open {
		want = c.NArg()
	}
	if err := cmdutil.Arguments(c, want); err != nil {
		return err
	}
	for _, option := range v.needs {
		if !c.IsSet(option) {
			return cmdutil.UsageError("usage: "+strings.Join(strings.Fields(c.Command.UsageText), " "), "--%s is missing", option)
		}
	}
	if v.free {
		return nil
	}
	for i, text := range c.Args().Slice() {
		what := strings.ToLower(strings.TrimSuffix(names[min(i, len(names)-1)], "..."))
		if err := checkName(what, text); err != nil {
			return err
		}
	}
	return nil
}

// arg returns an argument of the command.
func (r *remote) arg(i int) string { return r.c.Args().Get(i) }

// key prints a key that was just made, alone.
func (r *remote) key(answer any, key, format string, args ...any) error {
	return r.print(answer, func() error {
		if err := r.out.Write(key); err != nil {
			r.tell(format+", and its key is lost", args...)
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("write the key: %w", err), Hint: "usher key refresh makes another in its place"}
		}
		r.tell(format+"; its key is "+r.out.Where()+", shown this once", args...)
		return nil
	})
}
