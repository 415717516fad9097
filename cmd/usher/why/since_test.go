package why

import (
	"testing"
	"time"

	"usher/app/auditlog"
	"usher/app/inquiry"
)

// TestSince: the report claims no more about the directory of then than was looked at.
func TestSince(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		state   inquiry.State
		changes int
		want    string
	}{
		{inquiry.State{Revision: 7, Compared: true, Same: true}, 0, "nothing has changed: it still has revision 7"},
		{inquiry.State{Compared: true, Audited: true, Newer: []string{"user pia"}}, 1, ""},
		{inquiry.State{Compared: true, Audited: true, Newer: []string{"user pia"}}, 0, "the audit has no change of it, and these were written since"},
		{inquiry.State{Compared: true, Newer: []string{"user pia"}}, 0, "these entries were written since"},
		{inquiry.State{Compared: true, Audited: true}, 0, "the entries of pia are as they were then"},
		{inquiry.State{Compared: true}, 0, "no entry of pia was written since; the audit would say whether one was removed"},
		{inquiry.State{FileChanged: at.Add(time.Hour)}, 0, "the file was written since, at 2026-03-01T13:00:00Z; the audit has no changes of a file"},
		{inquiry.State{FileChanged: at.Add(-time.Hour)}, 0, "as it was then: the file was written before, at 2026-03-01T11:00:00Z"},
		{inquiry.State{Audited: true}, 0, "the audit has no change that concerns pia"},
		{inquiry.State{}, 0, "not known without the audit"},
	} {
		if got := since(&auditlog.Event{User: "pia", Time: at}, &x.state, x.changes); got != x.want {
			t.Errorf("%+v, %d changes: %q, not %q", x.state, x.changes, got, x.want)
		}
	}
}
