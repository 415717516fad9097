package remote

import (
	"errors"
	"io/fs"
	"path/filepath"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/directory"
)

func contextSave(c *cli.Context) error {
	if err := cmdutil.Arguments(c, 1); err != nil {
		return err
	}
	name := c.Args().First()
	if err := directory.CheckName(name); err != nil {
		return cmdutil.UsageError("", "the name of a context %w", err)
	}
	f, err := UserContexts()
	if err != nil {
		return err
	}
	x, err := f.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		x, err = &Context{}, nil
	}
	if err != nil {
		return fault.InConfig(err)
	}
	if err := x.take(c); err != nil {
		return err
	}
	if x.Server == "" {
		return cmdutil.UsageError("say it with --server URL", "a context for which server?")
	}
	if _, _, err := x.open(c, false); err != nil {
		return err
	}
	selected, err := f.selected()
	if err != nil {
		return fault.InConfig(err)
	}
	if err := f.Write(name, x); err != nil {
		return err
	}
	if selected != "" && !c.Bool("select") {
		return nil
	}
	cmdutil.Say(c.App.ErrWriter, "note", "context "+name+" is selected")
	return f.choose(name)
}

// take takes over the options that are given.
func (x *Context) take(c *cli.Context) error {
	for option, field := range map[string]*string{"server": &x.Server, "key-file": &x.KeyFile, "ca-file": &x.CAFile, "project": &x.Project} {
		if c.IsSet(option) {
			*field = c.String(option)
		}
	}
	if c.IsSet("insecure-http") {
		x.InsecureHTTP = c.Bool("insecure-http")
	}
	if x.KeyFile == "-" && c.Command.Name == "save" {
		return cmdutil.UsageError("", "--key-file: a context needs a file")
	}
	for _, path := range []*string{&x.KeyFile, &x.CAFile} {
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
