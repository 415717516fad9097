package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"usher/internal/ownedfile"
)

// toFlag is that of commands that make an API key.
func toFlag() cli.Flag {
	return &cli.StringFlag{Name: "to", Usage: "write the key to a new `FILE` with mode 0600, in place of stdout"}
}

// keyOutput is where a key goes that is made now. It is there before the key is,
// which nobody could get a second time.
type keyOutput struct {
	w       io.Writer
	file    *os.File // nil: stdout
	written bool
}

func openKeyOutput(c *cli.Context) (*keyOutput, error) {
	path := c.String("to")
	if path == "" {
		return &keyOutput{w: c.App.Writer}, nil
	}
	if c.Bool("json") {
		return nil, usageError("leave one of them out", "--to and --json: the JSON has the key in it")
	}
	if err := ownedfile.CheckFolder(filepath.Dir(path), ownedfile.Rule{Write: true}); err != nil {
		return nil, configError(fmt.Errorf("--to: %w", err))
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

// write writes the key, so that it outlives a crash if it goes to a file.
func (o *keyOutput) write(key string) error {
	_, err := fmt.Fprintln(o.w, key)
	if err == nil && o.file != nil {
		err = o.file.Sync()
	}
	o.written = err == nil
	return err
}

// where says where the key is.
func (o *keyOutput) where() string {
	if o.file == nil {
		return "on stdout"
	}
	return "in " + quote(o.file.Name())
}

// drop ends the output, and takes the file back if no key came.
func (o *keyOutput) drop() {
	if o.file == nil {
		return
	}
	_ = o.file.Close() // what was written is on the disk
	if !o.written {
		_ = os.Remove(o.file.Name())
	}
}
