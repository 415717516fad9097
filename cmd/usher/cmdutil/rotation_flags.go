package cmdutil

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func WithoutFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "without", Usage: "`NAME` of a server that is gone for good; it is not waited for"}
}

func NoUsherFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-usher", Usage: "no usher runs, so that none has to pick a key up"}
}

// ProgressTo tells a person how a rotation goes, on standard error.
func ProgressTo(c *cli.Context) func(string) {
	return func(line string) { fmt.Fprintln(c.App.ErrWriter, line) }
}
