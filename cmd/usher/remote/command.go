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

// Command describes one command over the management API. Group adds the common options,
// the usage text, the argument checks and the error handling.
type Command struct {
	Name, Usage, Description string
	noun                     string // of the last parent command: "user"
	Args                     string // argument names: "USER KEY"; a final "..." allows any number
	Aliases                  []string
	UncheckedArgs            bool // arguments are not object names; Run checks them
	NeedsProject             bool // needs a project, from --project or the context
	Flags                    []cli.Flag
	RequiredFlags            []string                                    // names of required options
	CreatesKey               bool                                        // creates an API key, which goes to stdout or to the file of --to
	NoJSON                   bool                                        // has no --json
	ForbiddenHint            string                                      // hint for a user whose roles do not permit it; empty: a general one
	ConflictHint             string                                      // hint for a conflict other than a concurrent change
	NotFoundHint             string                                      // hint for a missing object; default: the requested names
	RunLocal                 func(c *cli.Context) (done bool, err error) // tried before the API; done skips Run; may be nil
	Run                      func(ctx context.Context, r *Session) error
}

// Group returns a command with subcommands over the API.
func Group(name, usage string, commands ...Command) *cli.Command {
	return Subgroup("", name, usage, commands...)
}

// Subgroup is Group below another command.
func Subgroup(parent, name, usage string, commands ...Command) *cli.Command {
	c := &cli.Command{Name: name, Usage: usage}
	for i := range commands {
		commands[i].noun = name
		c.Subcommands = append(c.Subcommands, commands[i].build(strings.TrimSpace(parent+" "+name)))
	}
	return c
}

// build returns the command. path has the names of its parents.
func (v *Command) build(path string) *cli.Command {
	flags := slices.Clone(v.Flags)
	if v.CreatesKey {
		flags = append(flags, KeyOutputFlag())
	}
	if v.NeedsProject {
		flags = append(flags, &cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "the project `P`", DefaultText: "that of the context"})
	}
	return &cli.Command{
		Name: v.Name, Aliases: v.Aliases, Usage: v.Usage, Description: v.Description,
		UsageText: v.usageText(path, flags),
		Flags:     append(flags, v.remoteFlags()...),
		Action: func(c *cli.Context) error {
			if err := v.check(c); err != nil {
				return err
			}
			if v.RunLocal != nil {
				if done, err := v.RunLocal(c); done || err != nil {
					return err
				}
			}
			r, err := Connect(c)
			if err != nil {
				return err
			}
			defer r.API.Close()
			if v.NeedsProject {
				if r.Project == "" {
					return cmdutil.UsageError("name the project with --project P, or save it in a context with usher context save", "no project given")
				}
				if err := CheckName("project", r.Project); err != nil {
					return err
				}
			}
			if v.CreatesKey {
				if r.out, err = OpenKeyOutput(c); err != nil {
					return err
				}
				defer r.out.Close()
			}
			return v.requestError(r, v.Run(c.Context, r))
		},
	}
}

// remoteFlags returns the common options, without --json for commands that have none.
func (v *Command) remoteFlags() []cli.Flag {
	flags := remoteFlags()
	if v.NoJSON {
		flags = slices.DeleteFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == "json" })
	}
	return flags
}

// usageWidth is the maximum width of a usage line.
const usageWidth = 84

// usageText returns the usage. It leaves out the connection options, which the list of
// options shows.
func (v *Command) usageText(path string, flags []cli.Flag) string {
	var required, words []string
	for _, f := range flags {
		word, _ := cmdutil.FlagHelp(f)
		word = word[strings.Index(word, "--"):]
		if _, repeatable := f.(*cli.StringSliceFlag); repeatable {
			word += "..."
		}
		if slices.Contains(v.RequiredFlags, f.Names()[0]) {
			required = append(required, word)
		} else {
			words = append(words, "["+word+"]")
		}
	}
	words = slices.Concat(required, words)
	if !v.NoJSON {
		words = append(words, "[--json]")
	}
	if v.Args != "" {
		words = append(words, v.Args)
	}
	text := "usher " + path + " " + v.Name
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
	if v.UncheckedArgs || strings.HasSuffix(v.Args, "...") {
		want = c.NArg()
	}
	if err := cmdutil.ExactArgs(c, want); err != nil {
		return err
	}
	if err := cmdutil.RequireFlags(c, v.RequiredFlags...); err != nil {
		return err
	}
	if v.UncheckedArgs {
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

// Arg returns argument i of the command, or "".
func (r *Session) Arg(i int) string { return r.CLI.Args().Get(i) }

// PrintKey prints a new key alone on stdout, or writes it to the file of --to, and reports
// on stderr what was done. With --json it prints the response instead.
func (r *Session) PrintKey(response any, key, format string, args ...any) error {
	return r.Print(response, func() error {
		if err := r.out.Write(key); err != nil {
			r.Infof(format+", but its key is lost", args...)
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("write the key: %w", err), Hint: "replace it with usher key refresh"}
		}
		r.Infof(format+"; key "+r.out.Destination()+"; it cannot be shown again", args...)
		return nil
	})
}

// WithKey writes a key that the command has made to the file of --to, and then uses it. It
// removes the file if use fails.
func (r *Session) WithKey(key string, use func() error) error {
	if err := r.out.Write(key); err != nil {
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("write the key: %w", err)}
	}
	err := use()
	r.out.Written = err == nil
	return err
}
