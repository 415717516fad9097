package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/internal/secret"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "find what does not fit: configuration, directory, seeds, live server",
		UsageText: "usher check -c FILE [--server-config FILE]… [--offline] [--json]",
		Description: "Reads configuration, directory and keyring, then connects to every server of\n" +
			"nats.urls and every other one that it can learn of (cluster, supercluster, leaf\n" +
			"servers), and looks at the authorization request that a client without\n" +
			"credentials causes. With a system user (nats.system_user) it also says which\n" +
			"server lacks the account of a project. In operator mode it holds operator,\n" +
			"account and user JWTs, on disk and as servers go by them, to what usher needs\n" +
			"(docs/reference/checks.md).",
		Flags: []cli.Flag{
			configFlag(),
			&cli.BoolFlag{Name: "offline", Usage: "look at the files only"},
			&cli.StringSliceFlag{Name: "server-config", Usage: "look at a nats-server.conf too, a `FILE` of config mode, with the static users in it; may be given several times"},
			&cli.BoolFlag{Name: "json", Usage: "print findings as JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			path, err := configPath(c)
			if err != nil {
				return err
			}
			var f findings
			cfg, err := config.Load(path)
			switch {
			case err != nil && !c.Bool("json"):
				return configError(err)
			case err != nil:
				f.failed("configuration", configError(err))
				return f.print(c)
			}
			f.installation(c.Context, path, cfg, c.Bool("offline"), c.StringSlice("server-config"))
			return f.print(c)
		},
	}
}

// finding is one thing that was looked at.
type finding struct {
	Check  string `json:"check"`
	Where  string `json:"where,omitempty"` // a URL, a file, or a place in one: FILE:LINE:COLUMN
	Path   string `json:"path,omitempty"`  // of the key at that place
	Result string `json:"result"`          // ok | warning | error
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

// installation looks at everything that a configuration names.
func (f *findings) installation(ctx context.Context, path string, cfg *config.Config, offline bool, serverConfigs []string) {
	keys, snapshot := f.files(ctx, path, cfg, offline)
	if keys == nil {
		return
	}
	var o *operatorCheck // nil: config mode
	if cfg.NATS.Mode == config.ModeOperator {
		o = f.operatorMode(ctx, cfg, keys, snapshot, offline)
	}
	for _, file := range serverConfigs {
		var largest answerSize
		if !offline || !signsElsewhere(keys) {
			largest = largestAnswer(ctx, cfg, keys, snapshot)
		}
		f.serverConfig(file, cfg, keys, snapshot, largest)
	}
	if !offline {
		f.programs(ctx, cfg, keys)
		f.servers(ctx, path, cfg, keys, snapshot, o)
	}
}

// print writes the findings and returns the error that the worst of them is. They
// tell of files and of servers: nothing in them that looks like a secret is shown.
func (f *findings) print(c *cli.Context) error {
	for i := range *f {
		x := &(*f)[i]
		x.Where, x.Path = secret.RedactDetected(x.Where), secret.RedactDetected(x.Path)
		x.Detail, x.Hint = secret.RedactDetected(x.Detail), secret.RedactDetected(x.Hint)
	}
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
		if x.Path != "" {
			where += ": " + x.Path
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
