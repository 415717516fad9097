package cmdutil

import (
	"github.com/urfave/cli/v2"

	"usher/app/config"
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
	cfg, err := config.Load(path)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	return cfg, nil
}
