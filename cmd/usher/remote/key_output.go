package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/shellword"

	"github.com/urfave/cli/v2"

	"usher/internal/ownedfile"
)

// KeyOutputFlag returns the option --to of commands that create an API key.
func KeyOutputFlag() cli.Flag {
	return &cli.StringFlag{Name: "to", Usage: "write the key to a new `FILE` with mode 0600, in place of stdout"}
}

// KeyOutput is the destination of a new API key. Open it before the key is created: the
// key cannot be shown again if writing it fails.
type KeyOutput struct {
	w       io.Writer
	File    *os.File // nil: stdout
	Written bool     // a key was
}

// OpenKeyOutput creates the file of --to with mode 0600, or uses stdout. It never
// overwrites a file.
func OpenKeyOutput(c *cli.Context) (*KeyOutput, error) {
	if c.String("to") == "" {
		return &KeyOutput{w: c.App.Writer}, nil
	}
	if c.Bool("json") {
		return nil, cmdutil.UsageError("give only one of them", "--to and --json: the JSON contains the key")
	}
	return OpenKeyFile(c)
}

// OpenKeyFile creates the file of --to with mode 0600. It never overwrites a file.
func OpenKeyFile(c *cli.Context) (*KeyOutput, error) {
	path := c.String("to")
	if err := ownedfile.CheckFolder(filepath.Dir(path), ownedfile.Rule{Write: true}); err != nil {
		return nil, fault.InConfig(fmt.Errorf("--to: %w", err))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the user's
	if errors.Is(err, os.ErrExist) {
		return nil, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("--to: %w", err), Hint: "usher never overwrites a file with a key: choose another name, or move the file"}
	}
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	return &KeyOutput{w: f, File: f}, nil
}

// Write writes the key, and syncs the file.
func (o *KeyOutput) Write(key string) error {
	_, err := fmt.Fprintln(o.w, key)
	if err == nil && o.File != nil {
		err = o.File.Sync()
	}
	o.Written = o.Written || err == nil
	return err
}

// Destination returns where the key was written: "written to stdout" or "written to FILE".
func (o *KeyOutput) Destination() string {
	if o.File == nil {
		return "written to stdout"
	}
	return "written to " + shellword.Quote(o.File.Name())
}

// Close closes the file, and removes it if no key was written.
func (o *KeyOutput) Close() {
	if o.File == nil {
		return
	}
	_ = o.File.Close() // Write has synced it
	if !o.Written {
		_ = os.Remove(o.File.Name())
	}
}
