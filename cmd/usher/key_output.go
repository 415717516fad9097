package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
)

// toFlag is that of commands that make an API key.
func toFlag() cli.Flag {
	return &cli.StringFlag{Name: "to", Usage: "write the key to a new `FILE` with mode 0600, in place of stdout"}
}

// keyOutput is where a key goes that is made now. It is there before the key is,
// which nobody could get a second time.
type keyOutput struct {
	w    io.Writer
	file *os.File // nil: stdout
}

func openKeyOutput(c *cli.Context) (*keyOutput, error) {
	path := c.String("to")
	if path == "" {
		return &keyOutput{w: c.App.Writer}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the user's
	if errors.Is(err, os.ErrExist) {
		return nil, &exitError{code: exitRuntime, err: fmt.Errorf("--to: %w", err), hint: "a key is never written over something else: give another name, or move that file away"}
	}
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	return &keyOutput{w: f, file: f}, nil
}

// write writes the key, and ends.
func (o *keyOutput) write(key string) error {
	_, err := fmt.Fprintln(o.w, key)
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	return err
}

// drop takes the file back: there is no key.
func (o *keyOutput) drop() {
	if o.file != nil {
		_ = o.file.Close()
		_ = os.Remove(o.file.Name())
	}
}
