package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func withoutFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "without", Usage: "`NAME` of a server that is gone for good; it is not waited for"}
}

func noUsherFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-usher", Usage: "no usher runs, so that none has to pick a key up"}
}

// sayTo tells a person how a rotation goes, on standard error.
func sayTo(c *cli.Context) func(string) {
	return func(line string) { fmt.Fprintln(c.App.ErrWriter, line) }
}
