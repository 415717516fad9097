package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
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
		UsageText: "usher init [--operator] [--listen HOST:PORT] [--http HOST:PORT] DIR",
		Description: "Writes seeds of issuer and xkey, the service user's password, nats-server.conf,\n" +
			"usher.yaml and directory.yaml to DIR. Both programs start with them unedited.\n" +
			"No file is ever overwritten.\n\n" +
			"With --operator the accounts are JWTs, signed by an operator that is made along\n" +
			"with them: docs/operator-mode.md says what each file is for.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "make an operator with accounts and signing keys (operator mode)"},
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
			o := setup.Options{Dir: dir, Operator: c.Bool("operator"), Listen: listen, Config: more, Random: rand.Reader, Now: time.Now()}
			files, err := setup.Write(o)
			if err != nil {
				return configError(err)
			}
			for _, f := range files {
				if _, err := fmt.Fprintln(c.App.Writer, filepath.Join(dir, filepath.FromSlash(f.Name))); err != nil {
					return err
				}
			}
			_, err = fmt.Fprint(c.App.ErrWriter, initNext(dir, o.Operator))
			return err
		},
	}
}

// initNext says what to do with a new installation.
func initNext(dir string, operator bool) string {
	next := fmt.Sprintf("\nNext:\n  nats-server -c %s\n  usher serve -c %s\n  usher apikey new --user NAME\n",
		filepath.Join(dir, setup.FileServerConfig), filepath.Join(dir, setup.FileConfig))
	if !operator {
		return next
	}
	return next + fmt.Sprintf("\nMove %s off this machine: with these seeds operator and accounts can be\n"+
		"made anew, and nothing here needs them.\n", filepath.Join(dir, filepath.FromSlash(setup.DirIdentity)))
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
