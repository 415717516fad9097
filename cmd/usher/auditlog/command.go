package auditlog

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/auditlog"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
)

// Command returns "usher audit".
func Command() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "search, follow and check the audit",
		Subcommands: []*cli.Command{tailCommand(), searchCommand(), verifyCommand()},
	}
}

func tailCommand() *cli.Command {
	return &cli.Command{
		Name: "tail", Usage: "show the last events of the audit, and every new one",
		UsageText: "usher audit tail -c FILE [--lines N] [FILTERS] [--json]\nusher audit tail --file FILE [--lines N] [FILTERS] [--json]",
		Description: "Shows the events among the last lines that match every filter, and then new ones\n" +
			"until Ctrl-C. With --json it prints each line as it was written.",
		Flags:  append(append(sourceFlags(false), &cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Usage: "begin with the last `N` lines", Value: 20}), filterFlags()...),
		Action: tail,
	}
}

func searchCommand() *cli.Command {
	return &cli.Command{
		Name: "search", Usage: "show the events of the audit that match",
		UsageText: "usher audit search -c FILE [--since T] [--until T] [FILTERS] [--json]\nusher audit search --file FILE... [--since T] [--until T] [FILTERS] [--json]",
		Description: "Shows the events that match every filter, the oldest first. With --json it prints\n" +
			"each line as it was written. Files of log rotation are given the oldest first.",
		Flags: append(append(sourceFlags(true),
			&cli.StringFlag{Name: "since", Usage: "only events at `T` or later: a time, or a duration such as 1h or 7d"},
			&cli.StringFlag{Name: "until", Usage: "only events at `T` or earlier"},
		), filterFlags()...),
		Action: search,
	}
}

// sourceFlags say where the audit is. several: in more than one file.
func sourceFlags(several bool) []cli.Flag {
	flags := []cli.Flag{cmdutil.ConfigFlag()}
	if several {
		return append(flags, &cli.StringSliceFlag{Name: "file", Usage: "`FILE` with the audit", DefaultText: "where the configuration says"})
	}
	return append(flags, &cli.StringFlag{Name: "file", Usage: "`FILE` with the audit", DefaultText: "where the configuration says"})
}

func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "user", Usage: "only connections and sessions of the user `U`, and changes that U has made"},
		&cli.StringFlag{Name: "code", Usage: "only events with the `CODE`, such as key_expired"},
		&cli.StringFlag{Name: "outcome", Usage: "only events with the `OUTCOME`, such as denied"},
		&cli.StringFlag{Name: "request", Usage: "only the request `ID`, and sessions that it has granted"},
		&cli.StringFlag{Name: "from", Usage: "only clients from the address or network `NET`, such as 192.0.2.0/24"},
		&cli.StringSliceFlag{Name: "kind", Usage: "only events of the `KIND`: decision, change, session_closed, refused_by_server, push or checkpoint", DefaultText: "all but checkpoint"},
		&cli.BoolFlag{Name: "json", Usage: "print each line as it was written"},
	}
}

func filterOf(c *cli.Context, now time.Time) (*auditlog.Filter, error) {
	f := &auditlog.Filter{User: c.String("user"), Code: c.String("code"), Outcome: c.String("outcome"), RequestID: c.String("request"), Kinds: c.StringSlice("kind")}
	if err := cmdutil.CheckValues("--kind", f.Kinds, auditlog.Kinds()); err != nil {
		return nil, err
	}
	if from := c.String("from"); from != "" {
		addr, err := netip.ParseAddr(from)
		if err == nil {
			f.From = netip.PrefixFrom(addr, addr.BitLen())
		} else if f.From, err = netip.ParsePrefix(from); err != nil {
			return nil, cmdutil.UsageError("such as --from 192.0.2.7 or --from 192.0.2.0/24", "--from %q is neither an address nor a network", from)
		}
	}
	var err error
	if f.Since, err = Instant(c, "since", now); err != nil {
		return nil, err
	}
	f.Until, err = Instant(c, "until", now)
	return f, err
}

// Instant reads an option with a time, or with a duration before now.
func Instant(c *cli.Context, option string, now time.Time) (time.Time, error) {
	text := c.String(option)
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(cmdutil.WithoutDays(text)); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, cmdutil.UsageError("such as --"+option+" 1h, 7d, 2026-03-01 or 2026-03-01T12:00:00Z", "--%s %q is neither a time nor a duration", option, text)
}

// Place is where the audit of a command is.
type Place struct {
	auditlog.Source
	Config *config.Config // nil: none was given
	conn   *nats.Conn
}

// Close closes the connection.
func (p *Place) Close() {
	if p.conn != nil {
		p.conn.Close()
	}
}

// Open returns the source that the options of a command name. With an error, the place has the
// configuration alone, if that could be read.
func Open(c *cli.Context, files []string) (*Place, error) {
	p := &Place{}
	if c.String("config") != "" {
		var err error
		if p.Config, err = cmdutil.LoadConfig(c); err != nil {
			return nil, err
		}
	}
	if files = slices.DeleteFunc(files, func(f string) bool { return f == "" }); len(files) > 0 {
		p.Source = auditlog.Files(files)
		return p, nil
	}
	if p.Config == nil {
		return p, cmdutil.UsageError("name the configuration with -c FILE, or the audit with --file FILE", "no audit given")
	}
	switch a := &p.Config.Audit; a.To {
	case config.AuditFile:
		p.Source = auditlog.Files{a.File}
	case config.AuditStream:
		opts, err := natsconn.ServiceOptions(p.Config)
		if err != nil {
			return p, fault.InConfig(err)
		}
		p.conn, err = nats.Connect(natsconn.URLs(p.Config), append(opts, nats.Name("usher audit"))...)
		if err != nil {
			return p, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("connect to nats.urls: %w", err), Hint: "usher check tells what does not match; --file reads a file"}
		}
		p.Source = &auditlog.Stream{Conn: p.conn, Name: a.Stream}
	default:
		return p, &fault.Error{
			Kind: fault.Config, Err: fmt.Errorf("audit.to is %s: there is nothing to read", a.To),
			Hint: "set audit.to: file or audit.to: stream; or name a file with --file FILE",
		}
	}
	return p, nil
}

// RunError adds what to do about an error of a source.
func RunError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	e := &fault.Error{Kind: fault.Runtime, Err: err}
	if errors.Is(err, auditlog.ErrNoStream) {
		e.Hint = "usher serve makes it when it starts with audit.to: stream; look for errors in its log"
	}
	return e
}

// publicKeys returns the keys that may have signed: those given, or those of the keyring.
func publicKeys(given []string, cfg *config.Config) ([]string, error) {
	if cfg == nil {
		return given, nil
	}
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		return nil, err
	}
	for _, s := range keys.Signers() {
		given = append(given, s.PublicKey())
	}
	return given, nil
}
