package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"usher/setup"
)

const defaultListen = "127.0.0.1:4222"

func initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make the files for a nats-server and usher",
		UsageText: "usher init [--listen HOST:PORT] DIR",
		Description: "Writes seeds of issuer and xkey, the service user's password, nats-server.conf,\n" +
			"usher.yaml and directory.yaml to DIR. Both programs start with them unedited.\n" +
			"No file is ever overwritten.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server", Value: defaultListen},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, "init [--listen HOST:PORT] DIR"); err != nil {
				return err
			}
			if err := checkListen(c.String("listen")); err != nil {
				return err
			}
			dir := c.Args().First()
			files, err := setup.Write(setup.Options{Dir: dir, Listen: c.String("listen"), Random: rand.Reader})
			if err != nil {
				return configError(err)
			}
			for _, f := range files {
				if _, err := fmt.Fprintln(c.App.Writer, filepath.Join(dir, filepath.FromSlash(f.Name))); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(c.App.ErrWriter, "\nNext:\n  nats-server -c %s\n  usher serve -c %s\n  usher apikey new --user NAME\n",
				filepath.Join(dir, setup.FileServerConfig), filepath.Join(dir, setup.FileConfig))
			return err
		},
	}
}

func checkListen(listen string) error {
	if _, port, err := net.SplitHostPort(listen); err != nil || port == "" {
		return usageError("such as --listen "+defaultListen, "--listen %q is not HOST:PORT", listen)
	}
	return nil
}
