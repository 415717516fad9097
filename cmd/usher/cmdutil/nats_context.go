package cmdutil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/app/natscontext"
	"usher/internal/fault"
	"usher/internal/nearest"
)

// NATSContextFlag returns the option that names a context of the nats CLI.
func NATSContextFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "nats-context", Usage: usage}
}

// NATSContextPath returns the path of --nats-context: a file, or the name of a context in the
// folder of the nats CLI.
func NATSContextPath(c *cli.Context) (string, error) {
	value := c.String("nats-context")
	if value == "" || filepath.Ext(value) == contextSuffix || strings.ContainsAny(value, `/\`) {
		return value, nil
	}
	config := os.Getenv("XDG_CONFIG_HOME") // on all systems, as the nats CLI has it
	if config == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fault.InConfig(fmt.Errorf("--nats-context: %w", err))
		}
		config = filepath.Join(home, ".config")
	}
	dir := filepath.Join(config, "nats", "context")
	path := filepath.Join(dir, value+contextSuffix)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the folder is the user's
		return path, nil
	}
	return "", &fault.Error{Kind: fault.Config, Err: fmt.Errorf("--nats-context: there is no context %s in %s", value, dir), Hint: contextHint(dir, value)}
}

const contextSuffix = ".json"

// contextHint suggests another name.
func contextHint(dir, value string) string {
	var names []string
	entries, _ := os.ReadDir(dir) // without it there are no names
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), contextSuffix); ok {
			names = append(names, name)
		}
	}
	if name, ok := nearest.To(value, names); ok {
		return "did you mean " + name + "?"
	}
	return "give the path of a context, such as auth/nats/client.json, or a name that nats context ls shows"
}

// ReadNATSContext reads a context of the nats CLI. from is where its path was given.
func ReadNATSContext(from, path string) (*natscontext.Context, error) {
	home, _ := os.UserHomeDir() // only for paths that begin with ~
	x, err := natscontext.Read(path, natscontext.Environment{Getenv: os.Getenv, Home: home})
	return x, NATSContextError(from, err)
}

// NATSContextError gives an error of package natscontext its hint.
func NATSContextError(from string, err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	e := fault.InConfig(fmt.Errorf("%s: %w", from, err))
	if !errors.As(e, &f) || f.Hint != "" {
		return e
	}
	switch {
	case errors.Is(err, natscontext.ErrUnsupported):
		f.Hint = "remove it in a copy of the context, and give that"
	case errors.Is(err, natscontext.ErrReference):
		f.Hint = "write the secret to a file that only you can read, and name it in a copy of the context"
	case errors.Is(err, natscontext.ErrCredentials):
		f.Hint = "remove the others in a copy of the context, and give that"
	case errors.Is(err, natscontext.ErrNoKey):
		f.Hint = "the management API takes an API key or a token: name its file with --key-file FILE"
	}
	return f
}
