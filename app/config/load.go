package config

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"

	"usher/internal/ownedfile"
	"usher/internal/strictyaml"
)

// Load reads the configuration at path; what is wrong with its content is
// strictyaml.Errors with every fault.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	cfg, err := Parse(path, data)
	if err != nil || len(cfg.Operator.SigningCommand) == 0 {
		return cfg, err
	}
	if err := ownedfile.Check(path, ownedfile.Rule{Runs: true, Pipe: true}); err != nil {
		return nil, fmt.Errorf("operator.signing_command names a program to run: %w", err)
	}
	return cfg, nil
}

// read reads a file up to one byte more than strictyaml accepts.
func read(path string) (data []byte, err error) {
	f, _, err := ownedfile.Open(path, ownedfile.Rule{Pipe: true}) // it says what everything else is
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1))
}

// Parse checks the text of a configuration. The file is only named, not read:
// errors name it, and relative paths in data start at its directory. The error
// is strictyaml.Errors with every fault.
func Parse(file string, data []byte) (*Config, error) {
	keys := table()
	cfg := defaults(keys)
	src, err := strictyaml.Decode(file, data, &cfg)
	var faults strictyaml.Errors
	if err != nil && !errors.As(err, &faults) {
		return nil, err
	}
	c := &checker{src: src, cfg: reflect.ValueOf(&cfg).Elem(), keys: keys, faults: faults}
	c.check()
	if len(c.faults) > 0 {
		c.faults.Sort()
		return nil, c.faults
	}
	for _, k := range c.keys {
		if k.is("path") {
			v := c.cfg.FieldByIndex(k.index)
			v.SetString(resolve(filepath.Dir(file), v.String()))
		}
	}
	return &cfg, nil
}

func resolve(dir, path string) string {
	switch {
	case path == "":
		return ""
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	default:
		return filepath.Join(dir, path)
	}
}

// Default returns the configuration of a file without keys. It lacks the
// required keys, so it is not one to run with.
func Default() Config { return defaults(table()) }

// defaults reads the defaults as they would be read from the file. A test holds
// that every one can be, and that a key without the tag has its zero value.
func defaults(keys []entry) Config {
	var cfg Config
	rv := reflect.ValueOf(&cfg).Elem()
	for _, k := range keys {
		if k.section || !k.tagged {
			continue
		}
		if v, err := decodeText(k.typ, k.def); err == nil {
			rv.FieldByIndex(k.index).Set(v)
		}
	}
	return cfg
}
