package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"usher/internal/ownedfile"
	"usher/internal/strictyaml"
)

// File is the text of a usher.yaml.
type File struct {
	Path   string
	Digest [sha256.Size]byte // of the text
	data   []byte
}

// ReadFile reads the file at path, up to one byte more than strictyaml accepts.
func ReadFile(path string) (file *File, err error) {
	f, _, err := ownedfile.Open(path, ownedfile.Rule{Pipe: true})
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return &File{Path: path, Digest: sha256.Sum256(data), data: data}, nil
}

// Load validates the text. If its content is invalid, the error is a strictyaml.Errors
// with every fault.
func (f *File) Load() (*Config, error) {
	cfg, err := parse(f.Path, f.data, exists)
	if err != nil {
		return nil, err
	}
	cfg.file = f
	if len(cfg.Operator.SigningCommand) == 0 {
		return cfg, nil
	}
	if err := ownedfile.Check(f.Path, ownedfile.Rule{Exec: true, Pipe: true}); err != nil {
		return nil, fmt.Errorf("operator.signing_command is a program that usher runs: %w", err)
	}
	return cfg, nil
}

// File returns the file of a configuration that Load returned; nil: it has none.
func (c *Config) File() *File { return c.file }

// TextsAt returns the Texts of the file as if it were at another path: relative paths in it are
// relative to that folder. The file has to be valid.
func (f *File) TextsAt(path string) (map[string]string, error) {
	cfg, err := parse(path, f.data, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	return cfg.Texts()
}
