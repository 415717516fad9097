package why

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"usher/api/wire"
	"usher/app/auditlog"
	"usher/app/inquiry"
	"usher/cmd/usher/remote"
)

// report is the output of "usher why --json".
type report struct {
	RequestID   string            `json:"request_id"`
	Events      []json.RawMessage `json:"events"` // of the audit, as they were written
	Meaning     *inquiry.Meaning  `json:"meaning,omitempty"`
	Log         []inquiry.LogLine `json:"log"`
	Session     *sessionReport    `json:"session,omitempty"` // absent: the request granted none
	Directory   *inquiry.State    `json:"directory,omitempty"`
	Now         string            `json:"now,omitempty"` // what would be decided
	Changes     []change          `json:"changes_since"`
	NotLookedAt []string          `json:"not_looked_at,omitempty"`

	events []*auditlog.Event
	main   *auditlog.Event
}

// sessionReport is what became of a connection that was granted.
type sessionReport struct {
	State   string                 `json:"state"`
	Text    string                 `json:"text"`
	Session *wire.SessionExplained `json:"session,omitempty"` // of a live one
}

// change is a change of the directory since the request.
type change struct {
	Event  json.RawMessage `json:"event"` // as it was written
	Fields []inquiry.Field `json:"fields,omitempty"`

	event *auditlog.Event
}

func (r *report) write(c *cli.Context) error {
	if c.Bool("json") {
		r.Events, r.Log, r.Changes = orEmpty(r.Events), orEmpty(r.Log), orEmpty(r.Changes)
		e := json.NewEncoder(c.App.Writer)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	var b strings.Builder
	r.text(&b)
	_, err := io.WriteString(c.App.Writer, b.String())
	return err
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// section prints a title, and lines of a label and a text below it.
type section struct {
	out   io.Writer
	title string
	lines *tabwriter.Writer
}

func (s *section) line(label, format string, args ...any) {
	text := remote.Printable(fmt.Sprintf(format, args...))
	if strings.TrimSpace(text) == "" {
		return
	}
	if s.lines == nil {
		fmt.Fprintf(s.out, "\n%s\n", s.title)
		s.lines = tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	}
	fmt.Fprintf(s.lines, "  %s\t%s\n", remote.Printable(label), text)
}

func (s *section) end() {
	if s.lines != nil {
		_ = s.lines.Flush() // to memory
	}
}

func (r *report) text(out io.Writer) {
	fmt.Fprintf(out, "Request %s\n", remote.Printable(r.RequestID))
	if r.main != nil {
		s := &section{out: out, title: "What was decided"}
		if r.main.Kind == inquiry.KindChange {
			s.title = "What was asked for"
		}
		r.decided(s)
		s.end()
	}
	r.afterwards(out)
	if r.Session != nil {
		s := &section{out: out, title: "The session"}
		s.line("state", "%s", r.Session.Text)
		if x := r.Session.Session; x != nil {
			s.line("server", "%s", x.ServerName)
			s.line("ends", "%s", remote.FormatTime(x.ExpiresOn))
			s.line("would lose", "%s", x.Lost)
			s.line("would gain", "%s", x.Gained)
		}
		s.end()
	}
	r.directory(out)
	r.logLines(out)
	for i, text := range r.NotLookedAt {
		if i == 0 {
			fmt.Fprint(out, "\nNot looked at\n")
		}
		fmt.Fprintf(out, "  %s\n", text)
	}
}

// decided prints what was decided, about whom, and why.
func (r *report) decided(s *section) {
	e := r.main
	outcome := e.Outcome
	if e.Code != "" && e.Code != e.Outcome {
		outcome += " (" + e.Code + ")"
	}
	s.line("outcome", "%s at %s", outcome, remote.FormatTime(e.Time))
	s.line("cause", "%s", e.Cause)
	if m := r.Meaning; m != nil && e.Code != e.Outcome {
		s.line("meaning", "%s", m.Meaning)
		s.line("what to do", "%s", m.Hint)
	}
	s.line("action", "%s", strings.TrimSpace(e.Action+" "+e.Resource))
	s.line("user", "%s", cmp.Or(e.User, e.Actor))
	s.line("credential", "%s", strings.TrimSpace(e.Method+" "+e.KeyID))
	if e.IdentityID != "" {
		s.line("identity", "%s of %s", e.IdentityID, e.Authority)
	}
	s.line("rules", "%s", e.Rule)
	s.line("account", "%s", e.Account)
	s.line("ends", "%s", remote.FormatTime(e.Expires))
	s.line("client", "%s", strings.TrimSpace(e.ClientHost+" "+e.ClientName))
	s.line("server", "%s", e.ServerName)
	if e.DirectoryRevision != 0 {
		s.line("directory", "revision %d", e.DirectoryRevision)
	}
}

// afterwards prints the other events of the request.
func (r *report) afterwards(out io.Writer) {
	s := &section{out: out, title: "Also in the audit"}
	defer s.end()
	for _, e := range r.events {
		if e == r.main {
			continue
		}
		text := e.Kind + " " + closedBecause(e)
		if about := strings.TrimSpace(e.Action + " " + e.Resource); about != "" {
			text = e.Kind + " " + strings.TrimSpace(e.Outcome+" "+e.Code) + " " + about
		} else if e.Kind == auditlog.KindDecision {
			text = e.Kind + " " + e.Outcome + " " + closedBecause(e)
		}
		s.line(remote.FormatTime(e.Time), "%s", text)
		s.line("what to do", "%s", e.Hint)
	}
}

// directory prints what the directory has now, and what has changed since.
func (r *report) directory(out io.Writer) {
	s := &section{out: out, title: "Now"}
	if d := r.Directory; d != nil {
		s.line("decision", "%s", r.Now)
		if u := d.User; u != nil {
			s.line("user", "%s", userText(u))
		}
		s.line("directory", "%s", d.Source)
	}
	s.end()
	s = &section{out: out, title: "Changed since then"}
	defer s.end()
	if d := r.Directory; d != nil {
		s.line("directory", "%s", since(r.main, d, len(r.Changes)))
		s.line("written since", "%s", remote.JoinList(d.Newer))
	} else if r.main != nil && r.main.Kind == inquiry.KindChange && len(r.Changes) == 0 {
		s.line("directory", "the audit has no later change of it")
	}
	for i := range r.Changes {
		x := &r.Changes[i]
		s.line(remote.FormatTime(x.event.Time), "%s", x.text())
	}
}

func userText(u *inquiry.User) string {
	text := u.Name
	if !u.Enabled {
		text += ", disabled"
	}
	for _, role := range u.ServiceRoles {
		text += ", " + role
	}
	for _, p := range u.Projects {
		text += fmt.Sprintf(", %s in %s", strings.Join(p.Roles, " and "), p.Name)
	}
	return text
}

// maxValue is how much of a value the text shows, in characters.
const maxValue = 120

// text is a change as one line.
func (x *change) text() string {
	e := x.event
	text := e.Action + " " + e.Resource
	if e.Actor != "" {
		text += " by " + e.Actor
	}
	if e.Outcome == "failed" {
		return text + ": failed, and may have been made: " + e.Cause
	}
	var parts []string
	for _, f := range x.Fields {
		parts = append(parts, fmt.Sprintf("%s %s → %s", f.Name, value(f.Before), value(f.After)))
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, "; ")
	}
	return text
}

func value(v json.RawMessage) string {
	text := []rune(cmp.Or(string(v), "none"))
	if len(text) > maxValue {
		return string(text[:maxValue]) + "…"
	}
	return string(text)
}

func (r *report) logLines(out io.Writer) {
	s := &section{out: out, title: "In usher's log"}
	defer s.end()
	for i := range r.Log {
		l := &r.Log[i]
		text := l.Level + " " + l.Message
		for _, p := range l.Fields {
			text += fmt.Sprintf(" %s=%s", p.Name, p.Value)
		}
		s.line(remote.FormatTime(l.Time), "%s", text)
	}
}
