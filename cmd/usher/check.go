package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/config"
	"usher/issuer"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "find what does not fit: configuration, directory, seeds, live server",
		UsageText: "usher check -c FILE [--offline] [--json]",
		Description: "Reads configuration, directory and keyring, then connects to every server and\n" +
			"looks at the authorization request that a client without credentials causes.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.BoolFlag{Name: "offline", Usage: "look at the files only"},
			&cli.BoolFlag{Name: "json", Usage: "print findings as JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			var f findings
			if keys := f.files(cfg); keys != nil && !c.Bool("offline") {
				f.servers(c.Context, cfg, keys)
			}
			return f.print(c)
		},
	}
}

// finding is one thing that was looked at.
type finding struct {
	Check  string `json:"check"`
	Where  string `json:"where,omitempty"`
	Result string `json:"result"` // ok | warning | error
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	exit   int
}

type findings []finding

func (f *findings) ok(check, where, format string, args ...any) {
	*f = append(*f, finding{Check: check, Where: where, Result: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (f *findings) warn(check, where, hint, format string, args ...any) {
	*f = append(*f, finding{Check: check, Where: where, Result: "warning", Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (f *findings) fail(exit int, check, where, hint, format string, args ...any) {
	*f = append(*f, finding{Check: check, Where: where, Result: "error", Detail: fmt.Sprintf(format, args...), Hint: hint, exit: exit})
}

// files looks at what lies on disk, each file on its own, so that a fault of one
// hides none of another. The keyring is nil if the servers cannot be looked at.
func (f *findings) files(cfg *config.Config) *issuer.Keyring {
	f.ok("configuration", "", "valid")
	keys, err := loadKeyring(cfg)
	if err != nil {
		f.failed("keyring", configError(err))
	} else {
		f.ok("keyring", cfg.Keyring.Dir, "%s, %s", counted(len(keys.Signers()), "issuer key"), counted(len(keys.XKeys()), "xkey"))
	}
	f.directory(cfg)
	if _, err := serviceOptions(cfg); err != nil {
		f.failed("service user", configError(err))
		return nil
	}
	if cfg.Accounts.HealthCheck == "" {
		f.warn("health check", "", "set accounts.healthcheck and healthcheck.token_file", "none is configured")
	}
	return keys
}

func (f *findings) directory(cfg *config.Config) {
	store, err := openDirectory(cfg, discardLog(), time.Now, nil)
	if err != nil {
		f.failed("directory", err)
		return
	}
	size := store.Snapshot().Size()
	f.ok("directory", cfg.Directory.File, "%s, %s, %s, %s, %s",
		counted(size.Users, "user"), counted(size.Keys, "key"), counted(size.Projects, "project"),
		counted(size.Topics, "topic"), counted(size.Subscriptions, "subscription"))
	for _, problem := range policyOf(cfg).CheckDirectory(store.Snapshot()) {
		f.fail(exitConfig, "directory", problem.Path, problem.Hint, "%s", problem.Message)
	}
}

// failed turns an error into findings, one for each line.
func (f *findings) failed(check string, err error) {
	var text strings.Builder
	report(&text, err)
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "usher: "), "\n")
		if hint, ok := strings.CutPrefix(line, "hint: "); ok && len(*f) > 0 {
			(*f)[len(*f)-1].Hint = hint
			continue
		}
		f.fail(exitConfig, check, "", "", "%s", strings.TrimPrefix(line, "error: "))
	}
}

func (f *findings) servers(ctx context.Context, cfg *config.Config, keys *issuer.Keyring) {
	opts, err := serviceOptions(cfg)
	if err != nil {
		f.failed("service user", configError(err))
		return
	}
	for _, url := range cfg.NATS.URLs {
		s := serverCheck{findings: f, cfg: cfg, keys: keys, url: url, now: time.Now}
		s.run(ctx, opts)
	}
}

// print writes the findings and returns the error that the worst of them is.
func (f *findings) print(c *cli.Context) error {
	if c.Bool("json") {
		if err := json.NewEncoder(c.App.Writer).Encode(map[string]any{"findings": f}); err != nil {
			return err
		}
	} else if err := f.printText(c); err != nil {
		return err
	}
	exit := exitOK
	for _, x := range *f {
		// A server that cannot be reached says nothing about the configuration.
		if x.exit == exitConfig || exit == exitOK {
			exit = max(exit, x.exit)
		}
	}
	if exit == exitOK {
		return nil
	}
	return &exitError{code: exit}
}

func (f *findings) printText(c *cli.Context) error {
	for _, x := range *f {
		where := ""
		if x.Where != "" {
			where = " " + x.Where
		}
		line := fmt.Sprintf("%-7s %s%s: %s\n", x.Result, x.Check, where, x.Detail)
		if x.Hint != "" {
			line += "        hint: " + x.Hint + "\n"
		}
		if _, err := fmt.Fprint(c.App.Writer, line); err != nil {
			return err
		}
	}
	return nil
}
