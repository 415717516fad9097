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

// ContextEnv is the environment variable that names the context to use. --context
// overrides it.
const ContextEnv = "USHER_CONTEXT"

// ContextCommand returns "usher context".
func ContextCommand() *cli.Command {
	jsonFlag := func() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }
	return &cli.Command{
		Name: "context", Usage: "manage contexts: named API servers with the key to use",
		Subcommands: []*cli.Command{
			{
				Name: "save", Usage: "create a context, or change the given options of one",
				UsageText: "usher context save [--server URL] [--key-file FILE | --nats-context FILE] [--ca-file FILE]\n" +
					"      [--project P] [--insecure-http] [--select] NAME",
				Description: "A context stores the path of the key file, never the key. With --nats-context the\n" +
					"key is the token, or else the password, of a context of the nats CLI. If no context\n" +
					"is selected, this one becomes selected. An empty value clears an option.",
				Flags: []cli.Flag{
					serverFlag(""), &cli.StringFlag{Name: "key-file", Usage: "`FILE` with the API key"},
					cmdutil.NATSContextFlag("context of the nats CLI with the API key: a `FILE` (.json), or the name of one in its folder"), caFileFlag(),
					&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "project `P` for commands without --project"},
					insecureFlag(), &cli.BoolFlag{Name: "select", Usage: "select the context"},
				},
				Action: contextSave,
			},
			{
				Name: "select", Usage: "select the context that commands use by default",
				UsageText:   "usher context select CONTEXT",
				Description: "--context and the environment variable " + ContextEnv + " override the selection.",
				Action: withContext(func(_ *cli.Context, f ContextStore, name string) error {
					return f.selectContext(name)
				}),
			},
			{
				Name: "list", Usage: "list the contexts", UsageText: "usher context list [--json]",
				Flags: []cli.Flag{jsonFlag()}, Action: contextList,
			},
			{
				Name: "show", Usage: "show a context (default the one in use)", UsageText: "usher context show [--json] [CONTEXT]",
				Flags: []cli.Flag{jsonFlag()}, Action: contextShow,
			},
			{
				Name: "remove", Aliases: []string{"rm"}, Usage: "remove a context; the files that it names stay",
				UsageText: "usher context remove CONTEXT",
				Action: withContext(func(c *cli.Context, f ContextStore, name string) error {
					if selected, err := f.selected(); err == nil && selected == name {
						cmdutil.Note(c.App.ErrWriter, "no context is selected now")
					}
					return f.remove(name)
				}),
			},
		},
	}
}

// withContext runs do with the name of an existing context.
func withContext(do func(c *cli.Context, f ContextStore, name string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := cmdutil.ExactArgs(c, 1); err != nil {
			return err
		}
		f, err := UserContextStore()
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

// readContext reads a context that the user named, and suggests another name if there
// is none.
func readContext(f ContextStore, name string) (*Context, error) {
	x, err := f.read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, fault.InConfig(err)
		}
		return x, nil
	}
	hint := "create one with usher context save"
	if names, _ := f.Names(); len(names) > 0 {
		hint = strictyaml.Suggest(name, "contexts", names)
	}
	return nil, &fault.Error{Kind: fault.Config, Err: fmt.Errorf("there is no context %s", name), Hint: hint}
}

// namedContext is a context as commands print it. Its JSON format is stable.
type namedContext struct {
	Name     string `json:"name"`
	Selected bool   `json:"selected"` // commands use it by default
	Context
}

func contextColumns() []Column[namedContext] {
	return []Column[namedContext]{
		{Name: "name", Value: func(x *namedContext) string { return x.Name }},
		{Name: "selected", Value: func(x *namedContext) string { return YesNo(x.Selected) }},
		{Name: "server", Value: func(x *namedContext) string { return x.Server }},
		{Name: "key file", Value: func(x *namedContext) string { return x.KeyFile }},
		{Name: "project", Value: func(x *namedContext) string { return x.Project }},
		{Name: "nats context", DetailOnly: true, Value: func(x *namedContext) string { return x.NATSContext }},
		{Name: "ca file", DetailOnly: true, Value: func(x *namedContext) string { return x.CAFile }},
		{Name: "insecure http", DetailOnly: true, Value: func(x *namedContext) string { return YesNo(x.InsecureHTTP) }},
	}
}

func contextList(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	f, err := UserContextStore()
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
	return PrintTable(c.App.Writer, contextColumns(), rows)
}

func contextShow(c *cli.Context) error {
	if c.NArg() != 0 {
		if err := cmdutil.ExactArgs(c, 1); err != nil {
			return err
		}
	}
	f, err := UserContextStore()
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
		return &fault.Error{Kind: fault.Config, Err: errNoContext, Hint: "select one with usher context select CONTEXT"}
	}
	x, err := readContext(f, name)
	if err != nil {
		return err
	}
	shown := namedContext{name, name == inUse, *x}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(shown)
	}
	return PrintItem(c.App.Writer, contextColumns(), &shown)
}

var errNoContext = errors.New("no context is selected")

// contextInUse returns the name of the context that a command uses, or "".
func contextInUse(c *cli.Context, f ContextStore) (string, error) {
	if name := c.String("context"); name != "" {
		return name, nil
	}
	if name := os.Getenv(ContextEnv); name != "" {
		return name, nil
	}
	name, err := f.selected()
	if err != nil {
		return "", fault.InConfig(err)
	}
	return name, nil
}
