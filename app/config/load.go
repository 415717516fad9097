package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"usher/internal/ownedfile"
	"usher/internal/strictyaml"
)

// Load reads the configuration at path. If its content is invalid, the error is a
// strictyaml.Errors with every fault.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	cfg, err := parse(path, data, exists)
	if err != nil || len(cfg.Operator.SigningCommand) == 0 {
		return cfg, err
	}
	if err := ownedfile.Check(path, ownedfile.Rule{Exec: true, Pipe: true}); err != nil {
		return nil, fmt.Errorf("operator.signing_command is a program that usher runs: %w", err)
	}
	return cfg, nil
}

// read reads a file, up to one byte more than strictyaml accepts.
func read(path string) (data []byte, err error) {
	f, _, err := ownedfile.Open(path, ownedfile.Rule{Pipe: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1))
}

// Parse validates a configuration. It does not read file: errors name it, and relative
// paths in data are joined to its directory. The error is a strictyaml.Errors with
// every fault.
func Parse(file string, data []byte) (*Config, error) {
	return parse(file, data, func(string) bool { return false })
}

// exists reports whether there is a file or folder at path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parse is Parse with a test for existing files, which may have any name.
func parse(file string, data []byte, exists func(path string) bool) (*Config, error) {
	cfg := Config{}
	c := &checker{cfg: reflect.ValueOf(&cfg).Elem(), keys: table(), dir: filepath.Dir(file), exists: exists}
	if err := c.load(file, data, constraints()); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// load decodes data into c.cfg, adds the defaults, checks it and resolves its paths.
func (c *checker) load(file string, data []byte, all []constraint) (err error) {
	setDefaults(c.cfg, c.keys)
	c.src, err = strictyaml.Decode(file, data, c.cfg.Addr().Interface())
	if err != nil && !errors.As(err, &c.faults) {
		return err
	}
	c.expand(c.keys, c.cfg, nil)
	c.check(all)
	if len(c.faults) > 0 {
		c.faults.Sort()
		return c.faults
	}
	for i := range c.instances {
		c.instances[i].resolvePaths(c.dir)
	}
	return nil
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

// Default returns the configuration of an empty file. It is not valid, because the
// required keys are missing.
func Default() Config {
	var cfg Config
	setDefaults(reflect.ValueOf(&cfg).Elem(), table())
	return cfg
}

// setDefaults sets every key of a struct to its default.
func setDefaults(of reflect.Value, keys []entry) {
	for i := range keys {
		if k := &keys[i]; !k.section {
			k.setDefault(of.FieldByIndex(k.index))
		}
	}
}

// setDefault decodes the default tag as YAML. A test ensures that it can be decoded, and
// that a key without the tag has its zero value as default.
func (e *entry) setDefault(v reflect.Value) {
	switch kind := v.Kind(); {
	case !e.tagged:
		return
	case kind == reflect.Slice && e.def == "[]": // the common ones, without reading YAML
		v.Set(reflect.MakeSlice(e.typ, 0, 0))
		return
	case kind == reflect.Bool && e.def == "true":
		v.SetBool(true)
		return
	}
	if def, err := decodeText(e.typ, e.def); err == nil {
		v.Set(def)
	}
}
