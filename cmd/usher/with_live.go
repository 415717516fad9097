package main

import (
	"github.com/urfave/cli/v2"
)

// withLive does what needs the running ushers and the servers, for a verb.
func withLive(c *cli.Context, do func(l *live) error) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	l, err := openLive(cfg)
	if err != nil {
		return err
	}
	defer l.close()
	return do(l)
}
