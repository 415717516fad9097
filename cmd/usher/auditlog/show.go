package auditlog

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/auditlog"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/audit"
)

// columns are the columns of an event.
func columns() []remote.Column[auditlog.Event] {
	return []remote.Column[auditlog.Event]{
		{Name: "time", Value: func(e *auditlog.Event) string { return remote.FormatTime(e.Time) }},
		{Name: "kind", Value: func(e *auditlog.Event) string { return e.Kind }},
		{Name: "outcome", Value: func(e *auditlog.Event) string { return cmp.Or(e.Outcome, e.Code) }},
		{Name: "code", Value: func(e *auditlog.Event) string {
			if e.Outcome == "" || e.Outcome == e.Code {
				return ""
			}
			return e.Code
		}},
		{Name: "user", Value: func(e *auditlog.Event) string { return cmp.Or(e.User, e.Actor) }},
		{Name: "from", Value: func(e *auditlog.Event) string { return e.ClientHost }},
		{Name: "about", Value: about},
		{Name: "request", Value: func(e *auditlog.Event) string { return cmp.Or(e.GrantedBy, e.RequestID) }},
	}
}

// about says to what an event is about, in one cell.
func about(e *auditlog.Event) string {
	switch {
	case e.Action != "":
		return e.Action + " " + e.Resource
	case e.Resource != "":
		return e.Resource
	case e.Cause != "":
		return e.Cause
	case e.Reason != "":
		return e.Reason
	default:
		return e.Account
	}
}

func search(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	f, err := filterOf(c, time.Now())
	if err != nil {
		return err
	}
	p, err := Open(c, c.StringSlice("file"))
	if err != nil {
		return err
	}
	defer p.Close()
	var rows []auditlog.Event
	err = auditlog.Search(c.Context, p, f, func(e *auditlog.Event) error {
		if c.Bool("json") {
			return writeLine(c.App.Writer, e.Text)
		}
		e.Text, e.Before, e.After = nil, nil, nil // no column shows them, and they are most of it
		rows = append(rows, *e)
		return nil
	})
	if err != nil {
		return RunError(err)
	}
	if c.Bool("json") {
		return nil
	}
	if len(rows) == 0 {
		cmdutil.Note(c.App.ErrWriter, "no event matches")
	}
	return remote.PrintTable(c.App.Writer, columns(), rows)
}

// writeLine writes a line of JSON, or a row. usher writes lines that Escape does not change.
func writeLine(out io.Writer, line []byte) error {
	_, err := fmt.Fprintf(out, "%s\n", audit.Escape(line))
	return err
}

func tail(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	f, err := filterOf(c, time.Now())
	if err != nil {
		return err
	}
	if c.Int("lines") < 0 {
		return cmdutil.UsageError("such as --lines 20", "--lines: expected 0 or more")
	}
	p, err := Open(c, []string{c.String("file")})
	if err != nil {
		return err
	}
	defer p.Close()
	return RunError(auditlog.Follow(c.Context, p, f, c.Int("lines"), func(e *auditlog.Event) error {
		if c.Bool("json") {
			return writeLine(c.App.Writer, e.Text)
		}
		return writeLine(c.App.Writer, []byte(row(e)))
	}))
}

// row is an event as one line without a header.
func row(e *auditlog.Event) string {
	var cells []string
	for _, col := range columns() {
		if text := remote.Printable(col.Value(e)); text != "" {
			cells = append(cells, text)
		}
	}
	return strings.Join(cells, "  ")
}
