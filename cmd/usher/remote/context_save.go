package remote

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/directory"
)

func contextSave(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 1); err != nil {
		return err
	}
	name := c.Args().First()
	if err := directory.CheckName(name); err != nil {
		return cmdutil.UsageError("", "context name %w", err)
	}
	f, err := UserContextStore()
	if err != nil {
		return err
	}
	x, err := f.read(name)
	exists := err == nil
	if errors.Is(err, fs.ErrNotExist) {
		x, err = &Context{name: name}, nil
	}
	if err != nil {
		return fault.InConfig(err)
	}
	previous := *x
	if err := x.apply(c); err != nil {
		return err
	}
	if x.Server == "" {
		return cmdutil.UsageError("name the server with --server URL", "--server is missing")
	}
	if _, _, err := x.clientConfig(c, false); err != nil {
		return err
	}
	selected, err := f.selected()
	if err != nil {
		return fault.InConfig(err)
	}
	if err := f.Write(name, x); err != nil {
		return err
	}
	if exists {
		cmdutil.Note(c.App.ErrWriter, "replaced context "+name+changeText(&previous, x))
	} else {
		cmdutil.Note(c.App.ErrWriter, "saved context "+name)
	}
	switch {
	case selected == name:
		return nil
	case selected != "" && !c.Bool("select"):
		cmdutil.Note(c.App.ErrWriter, "context "+selected+" stays selected; usher context select "+name+" selects this one")
		return nil
	}
	cmdutil.Note(c.App.ErrWriter, "selected context "+name)
	return f.selectContext(name)
}

// changeText describes how the server of a context changed, or returns "".
func changeText(before, after *Context) string {
	if before.Server == after.Server {
		return ""
	}
	return ": server " + after.Server + " instead of " + before.Server
}

// apply sets the fields whose options are given. Paths become absolute.
func (x *Context) apply(c *cli.Context) error {
	for option, field := range map[string]*string{"server": &x.Server, "key-file": &x.KeyFile, "ca-file": &x.CAFile, "project": &x.Project} {
		if c.IsSet(option) {
			*field = c.String(option)
		}
	}
	if err := x.applyNATSContext(c); err != nil {
		return err
	}
	if c.IsSet("server") { // the client adds the version
		if base, ok := strings.CutSuffix(strings.TrimRight(x.Server, "/"), "/v1"); ok {
			x.Server = base
		}
	}
	if c.IsSet("insecure-http") {
		x.InsecureHTTP = c.Bool("insecure-http")
	}
	if x.KeyFile == "-" && c.Command.Name == "save" {
		return cmdutil.UsageError("", "--key-file: a context stores the path of a file, and cannot use stdin")
	}
	for _, path := range []*string{&x.KeyFile, &x.NATSContext, &x.CAFile} {
		if *path == "" || *path == "-" {
			continue
		}
		full, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = full
	}
	return nil
}

// applyNATSContext sets where the key is. There is one place: the last one that was given.
func (x *Context) applyNATSContext(c *cli.Context) error {
	const option = "nats-context" // only "usher context save" has it
	if c.IsSet("key-file") {
		if c.IsSet(option) {
			return cmdutil.UsageError("", "--key-file and --%s: give only one of them", option)
		}
		x.NATSContext = ""
	}
	if !c.IsSet(option) {
		return nil
	}
	path, err := cmdutil.NATSContextPath(c)
	x.KeyFile, x.NATSContext = "", path
	return err
}
