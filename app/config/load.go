package config

import "os"

// Load reads the configuration at path. If its content is invalid, the error is a
// strictyaml.Errors with every fault.
func Load(path string) (*Config, error) {
	f, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return f.Load()
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
	if err := table().Decode(file, data, &cfg, exists); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// DefaultHTTPListen is the default of http.listen, for help: to decode all defaults would
// take a tenth of the time in which a command starts.
const DefaultHTTPListen = "127.0.0.1:9778"

// Default returns the configuration of an empty file. It is not valid, because the
// required keys are missing.
func Default() Config {
	var cfg Config
	table().SetDefaults(&cfg)
	return cfg
}
