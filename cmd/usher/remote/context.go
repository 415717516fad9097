package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/internal/strictyaml"
)

// EnvContext names the context to use, where --context does not.
const EnvContext = "USHER_CONTEXT"

func ContextCommand() *cli.Command {
	jsonFlag := func() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }
	return &cli.Command{
		Name: "context", Usage: "keep which API to speak to, and with which key",
		Subcommands: []*cli.Command{
			{
				Name: "save", Usage: "make a context, or change what is given of it",
				UsageText: "usher context save [--server URL] [--key-file FILE] [--ca-file FILE] [--project P]\n" +
					"      [--insecure-http] [--select] NAME",
				Description: "A context holds the path of the key's file, never the key. If none is selected,\n" +
					"this one is. An empty value takes back what was said of an option.",
				Flags: []cli.Flag{
					serverFlag(""), &cli.StringFlag{Name: "key-file", Usage: "`FILE` with the API key"}, caFileFlag(),
					&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "project `P` for commands that are given none"},
					insecureFlag(), &cli.BoolFlag{Name: "select", Usage: "select it, too"},
				},
				Action: contextSave,
			},
			{
				Name: "select", Usage: "say which context commands use when they are given none",
				UsageText:   "usher context select CONTEXT",
				Description: "--context and the environment variable " + EnvContext + " go before it.",
				Action: contextDo(func(_ *cli.Context, f ContextFiles, name string) error {
					return f.choose(name)
				}),
			},
			{
				Name: "list", Usage: "list the contexts", UsageText: "usher context list [--json]",
				Flags: []cli.Flag{jsonFlag()}, Action: contextList,
			},
			{
				Name: "show", Usage: "show a context, or the one in use", UsageText: "usher context show [--json] [CONTEXT]",
				Flags: []cli.Flag{jsonFlag()}, Action: contextShow,
			},
			{
				Name: "remove", Aliases: []string{"rm"}, Usage: "remove a context, but not the files that it names",
				UsageText: "usher context remove CONTEXT",
				Action: contextDo(func(c *cli.Context, f ContextFiles, name string) error {
					if selected, err := f.selected(); err == nil && selected == name {
						cmdutil.Say(c.App.ErrWriter, "note", "no context is selected any more")
					}
					return f.remove(name)
				}),
			},
		},
	}
}

// contextDo does something with a context that is there.
func contextDo(do func(c *cli.Context, f ContextFiles, name string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := cmdutil.Arguments(c, 1); err != nil {
			return err
		}
		f, err := UserContexts()
		if err != nil {
			return err
		}
		name := c.Args().First()
		if _, err := readContext(f, name); err != nil {
			return err
		}
		return do(c, f, name)
	}
}

// readContext reads a context that somebody named.
func readContext(f ContextFiles, name string) (*Context, error) {
	x, err := f.read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, fault.InConfig(err)
		}
		return x, nil
	}
	hint := "usher context save makes one"
	if names, _ := f.Names(); len(names) > 0 {
		hint = strictyaml.Suggest(name, "contexts", names)
	}
	return nil, &fault.Error{Kind: fault.Config, Err: fmt.Errorf("there is no context %s", name), Hint: hint}
}

// namedContext is a context as commands print it. Its JSON form is stable.
type namedContext struct {
	Name     string `json:"name"`
	Selected bool   `json:"selected"` // what commands use
	Context
}

func contextColumns() []Column[namedContext] {
	return []Column[namedContext]{
		{Name: "name", Cell: func(x *namedContext) string { return x.Name }},
		{Name: "selected", Cell: func(x *namedContext) string { return YesNo(x.Selected) }},
		{Name: "server", Cell: func(x *namedContext) string { return x.Server }},
		{Name: "key file", Cell: func(x *namedContext) string { return x.KeyFile }},
		{Name: "project", Cell: func(x *namedContext) string { return x.Project }},
		{Name: "ca file", Details: true, Cell: func(x *namedContext) string { return x.CAFile }},
		{Name: "insecure http", Details: true, Cell: func(x *namedContext) string { return YesNo(x.InsecureHTTP) }},
	}
}

func contextList(c *cli.Context) error {
	if err := cmdutil.Arguments(c, 0); err != nil {
		return err
	}
	f, err := UserContexts()
	if err != nil {
		return err
	}
	names, err := f.Names()
	if err != nil {
		return fault.InConfig(err)
	}
	inUse, err := contextInUse(c, f)
	if err != nil {
		return err
	}
	rows := []namedContext{}
	for _, name := range names {
		x, err := f.read(name)
		if err != nil {
			return fault.InConfig(err)
		}
		rows = append(rows, namedContext{name, name == inUse, *x})
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(map[string]any{"contexts": rows})
	}
	return printRows(c.App.Writer, contextColumns(), rows)
}

func contextShow(c *cli.Context) error {
	if c.NArg() != 0 {
		if err := cmdutil.Arguments(c, 1); err != nil {
			return err
		}
	}
	f, err := UserContexts()
	if err != nil {
		return err
	}
	inUse, err := contextInUse(c, f)
	if err != nil {
		return err
	}
	name := inUse
	if c.NArg() > 0 {
		name = c.Args().First()
	}
	if name == "" {
		return &fault.Error{Kind: fault.Config, Err: errNoContext, Hint: "usher context select CONTEXT"}
	}
	x, err := readContext(f, name)
	if err != nil {
		return err
	}
	shown := namedContext{name, name == inUse, *x}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(shown)
	}
	return PrintOne(c.App.Writer, contextColumns(), &shown)
}

var errNoContext = errors.New("no context is selected")

// contextInUse returns the name of the context that a command uses; empty: none.
func contextInUse(c *cli.Context, f ContextFiles) (string, error) {
	if name := c.String("context"); name != "" {
		return name, nil
	}
	if name := os.Getenv(EnvContext); name != "" {
		return name, nil
	}
	name, err := f.selected()
	if err != nil {
		return "", fault.InConfig(err)
	}
	return name, nil
}
