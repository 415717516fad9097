package cmdutil

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/setup"
	"usher/internal/fault"
)

// ConfigFlag returns the option -c, which names usher.yaml.
func ConfigFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "`FILE` with the configuration: usher.yaml"}
}

// ConfigPath returns the value of -c, or a usage error if it is missing.
func ConfigPath(c *cli.Context) (string, error) {
	path := c.String("config")
	if path == "" {
		return "", UsageError("name the file with -c FILE", "no configuration given")
	}
	return path, nil
}

// LoadConfig loads and validates the configuration that -c names.
func LoadConfig(c *cli.Context) (*config.Config, error) {
	path, err := ConfigPath(c)
	if err != nil {
		return nil, err
	}
	return ReadConfig(path)
}

// ReadConfig loads and validates the configuration at path.
func ReadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err == nil {
		return cfg, nil
	}
	e := &fault.Error{}
	if errors.As(fault.InConfig(err), &e) && e.Hint == "" {
		info, missing := os.Stat(path)
		switch {
		case errors.Is(missing, fs.ErrNotExist):
			e.Hint = "give the file, such as DIR/" + setup.FileConfig + "; usher init DIR creates it"
		case missing == nil && info.IsDir():
			e.Hint = "give the file, such as " + filepath.Join(path, setup.FileConfig)
		}
	}
	return nil, e
}
