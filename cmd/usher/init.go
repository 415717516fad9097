package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"usher/config"
	"usher/setup"
)

const defaultListen = "127.0.0.1:4222"

func initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make the files for a nats-server and usher",
		UsageText: "usher init [--listen HOST:PORT] [--http HOST:PORT] DIR",
		Description: "Writes seeds of issuer and xkey, the service user's password, nats-server.conf,\n" +
			"usher.yaml and directory.yaml to DIR. Both programs start with them unedited.\n" +
			"No file is ever overwritten.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server", Value: defaultListen},
			&cli.StringFlag{Name: "http", Usage: "`HOST:PORT` for metrics and probes of usher; default: " + config.Default().HTTP.Listen},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			listen := c.String("listen")
			if err := checkListen("listen", listen); err != nil {
				return err
			}
			if _, port, _ := net.SplitHostPort(listen); port == "0" {
				return usageError("such as --listen "+defaultListen, "--listen needs a port: the files name it")
			}
			more := map[string]string{}
			if web := c.String("http"); web != "" {
				if err := checkListen("http", web); err != nil {
					return err
				}
				more["http.listen"] = web
			}
			dir := c.Args().First()
			files, err := setup.Write(setup.Options{Dir: dir, Listen: listen, Config: more, Random: rand.Reader})
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

// checkListen checks the address of a listener. What passes can stand between
// quotes in any file.
func checkListen(option, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsFunc(host, notInHost) {
		return usageError("such as --"+option+" "+defaultListen, "--%s %q is not HOST:PORT", option, listen)
	}
	return nil
}

func notInHost(r rune) bool {
	return !strings.ContainsRune("-.:_%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
