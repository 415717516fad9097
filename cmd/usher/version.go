package main

import (
	"fmt"
	"runtime"

	"usher/cmd/usher/cmdutil"
	"usher/internal/version"

	"github.com/urfave/cli/v2"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print version, revision, Go and platform",
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			return printVersion(c)
		},
	}
}

func printVersion(c *cli.Context) error {
	revision := version.Revision()
	if revision != "" {
		revision = " (" + revision + ")"
	}
	_, err := fmt.Fprintf(c.App.Writer, "usher %s%s %s %s/%s\n",
		version.Semver(), revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
