package why

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	auditsource "usher/app/auditlog"
	"usher/app/config"
	"usher/app/inquiry"
	"usher/cmd/usher/auditlog"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/secret"
)

// OpenStore makes the parts of a configuration, and reads the directory.
type OpenStore func(c *cli.Context, cfg *config.Config) (p *assembly.Parts, stop func(), err error)

// Command returns "usher why".
func Command(open OpenStore) *cli.Command {
	return &cli.Command{
		Name: "why", Usage: "show what was decided about a request, why, and what is it now",
		UsageText: "usher why -c FILE [--log FILE...] [--since T] [--context CONTEXT] [--json] REQUEST_ID\n" +
			"usher why --file FILE... [--log FILE...] [--since T] [--context CONTEXT] [--json] REQUEST_ID",
		Description: "REQUEST_ID is the one of the server's log, of usher's log, of an answer over HTTP or\n" +
			"of an exemplar. Joins the events of the audit, the lines of usher's log, the session\n" +
			"if it still lives, what the directory has now, and what has changed since. Sessions\n" +
			"come from the management API, the directory from the configuration or else from the\n" +
			"API. What cannot be looked at hides nothing else: the report says how to get it.",
		Flags: append([]cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringSliceFlag{Name: "file", Usage: "`FILE` with the audit; those of log rotation the oldest first", DefaultText: "where the configuration says"},
			&cli.StringSliceFlag{Name: "log", Usage: "`FILE` with usher's log; - reads it from stdin, as from journalctl -u usher -o cat"},
			&cli.StringFlag{Name: "since", Usage: "look only at events at `T` or later: a time, or a duration such as 1h or 7d"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		}, remote.APIFlags()...),
		Action: func(c *cli.Context) error { return run(c, open) },
	}
}

// asking bounds what is asked of the directory and of the API.
const asking = 10 * time.Second

// asker collects a report.
type asker struct {
	cli    *cli.Context
	open   OpenStore
	now    time.Time
	source auditsource.Source // nil: there is no audit
	config *config.Config     // nil: none was given
	api    *remote.Session    // nil: there is none
	noAPI  error              // why there is none
	trail  *inquiry.Trail
	report report

	closeAudit func()
}

func run(c *cli.Context, open OpenStore) error {
	if err := cmdutil.ExactArgs(c, 1); err != nil {
		return err
	}
	id := c.Args().First()
	if secret.Detect(id) {
		return cmdutil.UsageError("replace the secret: it was on a command line", "REQUEST_ID: the value looks like a secret")
	}
	if id == "" {
		return cmdutil.UsageError("", "REQUEST_ID is empty")
	}
	now := time.Now()
	since, err := auditlog.Instant(c, "since", now)
	if err != nil {
		return err
	}
	a := &asker{closeAudit: func() {}, cli: c, open: open, now: now, report: report{RequestID: id}}
	err = a.collect(since)
	a.closeAudit()
	if err != nil {
		return err
	}
	return a.report.write(c)
}

func (a *asker) collect(since time.Time) error {
	if err := a.audit(since); err != nil {
		return err
	}
	if err := a.log(); err != nil {
		return err
	}
	a.report.events, a.report.main = a.trail.Events, a.trail.Main()
	for _, e := range a.trail.Events {
		a.report.Events = append(a.report.Events, e.Text)
	}
	if len(a.report.Events)+len(a.report.Log) == 0 {
		return a.nothing()
	}
	main := a.report.main
	if main == nil {
		return nil
	}
	a.report.Meaning = inquiry.MeaningOf(main)
	ctx, cancel := context.WithTimeout(a.cli.Context, asking)
	defer cancel()
	a.connect()
	if a.api != nil {
		defer a.api.API.Close()
	}
	a.session(ctx, main)
	a.directory(ctx, main)
	if d := a.report.Directory; d != nil {
		a.report.Now = verdict(main, d)
	}
	return a.changes(main)
}

// audit reads the events of the request.
func (a *asker) audit(since time.Time) error {
	a.trail = &inquiry.Trail{ID: a.report.RequestID}
	place, err := auditlog.Open(a.cli, a.cli.StringSlice("file"))
	if place != nil {
		a.config = place.Config
	}
	if err != nil {
		// The audit may be in the log, beside it.
		if len(a.cli.StringSlice("log")) == 0 || a.config == nil && a.cli.String("config") != "" {
			return err
		}
		a.missing("audit: %s", withHint(err))
		return nil
	}
	a.source = place
	a.closeAudit = place.Close
	a.trail, err = inquiry.Find(a.cli.Context, place, a.report.RequestID, since)
	return auditlog.RunError(err)
}

// log reads the lines of the logs.
func (a *asker) log() error {
	files := a.cli.StringSlice("log")
	if len(files) == 0 {
		a.missing("usher's log: usher writes it to stderr; give it with --log FILE, or journalctl -u usher -o cat | usher why ID --log -")
	}
	for _, name := range files {
		lines, err := a.readLog(name)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		a.report.Log = append(a.report.Log, lines...)
	}
	return nil
}

func (a *asker) readLog(name string) ([]inquiry.LogLine, error) {
	if name == "-" {
		return a.trail.ReadLog("stdin", a.cli.App.Reader)
	}
	f, err := os.Open(name) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return a.trail.ReadLog(name, f)
}

// nothing is the error of a request that is found nowhere.
func (a *asker) nothing() error {
	where := "the audit"
	if a.source == nil {
		where = "the log"
	} else if len(a.cli.StringSlice("log")) > 0 {
		where = "the audit nor in the log"
	}
	if where == "the audit nor in the log" {
		where = "neither in " + where
	} else {
		where = "not in " + where
	}
	hint := "it may be older than what is kept: give files of log rotation with --file; the log shows requests of clients without a key only at level debug"
	if a.cli.IsSet("since") {
		hint = "look further back with --since, or leave it out"
	} else if len(a.cli.StringSlice("log")) == 0 {
		hint = "it may be older than what is kept, or a request over HTTP that only the log has: give usher's log with --log FILE"
	}
	return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("request %s is %s", remote.Printable(a.report.RequestID), where), Hint: hint}
}

// changes reads what has changed since the request.
func (a *asker) changes(main *auditsource.Event) error {
	if a.source == nil {
		a.missing("changes since then: if audit.to is stderr, give the log with --file, too")
		return nil
	}
	about := &inquiry.About{Event: main}
	if d := a.report.Directory; d != nil {
		about.Projects = d.User.Administered()
	}
	all, err := inquiry.ChangesSince(a.cli.Context, a.source, about)
	if err != nil {
		return auditlog.RunError(err)
	}
	if d := a.report.Directory; d != nil {
		d.Audited = true
	}
	for i := range all {
		a.report.Changes = append(a.report.Changes, change{Event: all[i].Event.Text, Fields: all[i].Fields, event: all[i].Event})
	}
	return nil
}

// missing notes what the report lacks, and how to get it.
func (a *asker) missing(format string, args ...any) {
	a.report.NotLookedAt = append(a.report.NotLookedAt, remote.Printable(fmt.Sprintf(format, args...)))
}

// withHint is an error as one line, with what to do about it.
func withHint(err error) string {
	var e *fault.Error
	if errors.As(err, &e) && e.Hint != "" {
		return err.Error() + " (" + e.Hint + ")"
	}
	return err.Error()
}
