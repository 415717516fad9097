package cmdutil

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// WithoutFlag returns the option --without, for commands that wait for every server.
func WithoutFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "without", Usage: "`NAME` of a server that is gone for good: do not wait for it"}
}

// NoUsherFlag returns the option --no-usher, for commands that wait until every running
// usher has loaded a key.
func NoUsherFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-usher", Usage: "no usher is running: do not wait for one to load a new key"}
}

// ProgressPrinter returns a function that prints each progress line to stderr.
func ProgressPrinter(c *cli.Context) func(string) {
	return func(line string) { fmt.Fprintln(c.App.ErrWriter, line) }
}
