package inquiry

import (
	"context"
	"slices"
	"strings"
	"time"

	"usher/api/apierror"
	"usher/app/auditlog"
	"usher/callout/codes"
)

// Kinds of events that a report treats in a way of their own.
const (
	KindChange          = "change"
	KindSessionClosed   = "session_closed"
	KindRefusedByServer = "refused_by_server"
)

// Trail has the events of one request, the oldest first: what was decided or done, and what
// became of a session that it has granted.
type Trail struct {
	ID     string
	Events []*auditlog.Event
}

// Find reads the events of a request. since bounds the search; zero: everything.
func Find(ctx context.Context, s auditlog.Source, id string, since time.Time) (*Trail, error) {
	t := &Trail{ID: id}
	err := auditlog.Search(ctx, s, t.filter(since), func(e *auditlog.Event) error {
		if !isLog(e) {
			t.Events = append(t.Events, e)
		}
		return nil
	})
	t.sort()
	return t, err
}

// isLog reports whether an event is a line of the log, for an audit that is beside it.
func isLog(e *auditlog.Event) bool { return e.Kind == auditlog.KindDecision && e.Outcome == "" }

func (t *Trail) filter(since time.Time) *auditlog.Filter {
	return &auditlog.Filter{RequestID: t.ID, Since: since}
}

// sort puts the events in order: several writers share a stream.
func (t *Trail) sort() {
	slices.SortStableFunc(t.Events, func(x, y *auditlog.Event) int { return x.Time.Compare(y.Time) })
}

// Main returns the event that says what was decided about the request, or what it has
// changed; nil: there is none.
func (t *Trail) Main() *auditlog.Event {
	for _, kind := range []string{auditlog.KindDecision, KindChange} {
		if e := t.first(kind); e != nil {
			return e
		}
	}
	return nil
}

// Closed returns the end of the session that the request has granted; nil: usher did not
// close it.
func (t *Trail) Closed() *auditlog.Event {
	for _, e := range t.Events {
		if e.Kind == KindSessionClosed && e.GrantedBy == t.ID {
			return e
		}
	}
	return nil
}

// Refused returns the event that a server did not accept what was granted; nil: none did.
func (t *Trail) Refused() *auditlog.Event { return t.first(KindRefusedByServer) }

func (t *Trail) first(kind string) *auditlog.Event {
	for _, e := range t.Events {
		if e.Kind == kind && e.RequestID == t.ID {
			return e
		}
	}
	return nil
}

// Meaning is what a code means, and what to do about it.
type Meaning struct {
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Hint    string `json:"hint,omitempty"`
}

// MeaningOf returns the meaning of the code of an event, as docs/reference/errors.md and
// docs/reference/api.md list it; nil: the code says it all.
func MeaningOf(e *auditlog.Event) *Meaning {
	if e.Kind == KindChange {
		for _, s := range apierror.Statuses() {
			if strings.EqualFold(s.Name, e.Code) {
				return &Meaning{Code: e.Code, Meaning: s.Meaning}
			}
		}
		return nil
	}
	for _, c := range codes.All() {
		if c.Code == e.Code && (e.Outcome == "" || e.Outcome == string(c.Outcome)) {
			return &Meaning{Code: c.Code, Meaning: c.Meaning, Hint: c.Hint}
		}
	}
	if e.Hint != "" {
		return &Meaning{Code: e.Code, Meaning: e.Cause, Hint: e.Hint}
	}
	return nil
}
