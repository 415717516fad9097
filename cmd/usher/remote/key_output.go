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

// ToFlag is that of commands that make an API key.
func ToFlag() cli.Flag {
	return &cli.StringFlag{Name: "to", Usage: "write the key to a new `FILE` with mode 0600, in place of stdout"}
}

// KeyOutput is where a key goes that is made now. It is there before the key is,
// which nobody could get a second time.
type KeyOutput struct {
	w       io.Writer
	File    *os.File // nil: stdout
	Written bool
}

func OpenKeyOutput(c *cli.Context) (*KeyOutput, error) {
	path := c.String("to")
	if path == "" {
		return &KeyOutput{w: c.App.Writer}, nil
	}
	if c.Bool("json") {
		return nil, cmdutil.UsageError("leave one of them out", "--to and --json: the JSON has the key in it")
	}
	if err := ownedfile.CheckFolder(filepath.Dir(path), ownedfile.Rule{Write: true}); err != nil {
		return nil, fault.InConfig(fmt.Errorf("--to: %w", err))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the user's
	if errors.Is(err, os.ErrExist) {
		return nil, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("--to: %w", err), Hint: "a key is never written over something else: give another name, or move that file away"}
	}
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	return &KeyOutput{w: f, File: f}, nil
}

// Write writes the key, so that it outlives a crash if it goes to a file.
func (o *KeyOutput) Write(key string) error {
	_, err := fmt.Fprintln(o.w, key)
	if err == nil && o.File != nil {
		err = o.File.Sync()
	}
	o.Written = err == nil
	return err
}

// Where says where the key is.
func (o *KeyOutput) Where() string {
	if o.File == nil {
		return "on stdout"
	}
	return "in " + shellword.Quote(o.File.Name())
}

// Drop ends the output, and takes the file back if no key came.
func (o *KeyOutput) Drop() {
	if o.File == nil {
		return
	}
	_ = o.File.Close() // what was written is on the disk
	if !o.Written {
		_ = os.Remove(o.File.Name())
	}
}
