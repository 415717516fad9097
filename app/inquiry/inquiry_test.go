package inquiry_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/auditlog"
	"usher/app/config"
	"usher/app/inquiry"
	"usher/app/logger"
	"usher/callout/callouttest"
	"usher/internal/audit/chain"
)

// TestReadLog: what usher's own log writes is read again, in both formats; what others write is
// skipped.
func TestReadLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, _, err := logger.New(&config.Log{Format: format, Level: "info"}, &out)
		callouttest.Must(t, err)
		out.WriteString("nats-server: denied, request r1\n" + strings.Repeat("r1", 1<<20) + "\n{\"request_id\":\"r1\"\n")
		log.Warn("refused", slog.String("request_id", "r1"), slog.String("cause", "a \"b\"\n=c d"), slog.Int("n", 7), slog.String("empty", ""))
		log.Warn("other", slog.String("request_id", "r2"), slog.String("cause", "r1"))
		out.WriteString(`time=x level=INFO msg="no time" request_id=r1`)
		trail := &inquiry.Trail{ID: "r1"}
		lines, err := trail.ReadLog("usher.log", &out)
		if err != nil || len(lines) != 1 || len(trail.Events) != 0 {
			t.Fatalf("%s: %v, %+v", format, err, lines)
		}
		l := lines[0]
		if l.Source != "usher.log" || l.Time.IsZero() || l.Level != "WARN" || l.Message != "refused" ||
			fmt.Sprint(l.Fields) != "[{cause a \"b\"\n=c d} {n 7} {empty }]" {
			t.Errorf("%s: %+v", format, l)
		}
	}
}

// TestChangesSince: the revision says which changes a decision did not know, and far away the
// time: a restored bucket counts from the beginning.
func TestChangesSince(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var text strings.Builder
	change := func(id string, after time.Duration, revision int, resource, more string) {
		fmt.Fprintf(&text, `{"kind":"change","time":%q,"request_id":%q,"outcome":"changed","resource":%q,"revision":%d%s}`+"\n",
			at.Add(after).Format(time.RFC3339), id, resource, revision, more)
	}
	change("known", time.Second, 7, "/users/pia", "")
	change("unknown", -time.Second, 8, "/users/pia/keys/laptop", "")
	change("restored", time.Hour, 2, "/projects/shop/members/pia", "")
	change("before", -time.Hour, 9, "/users/pia", "")
	change("refused", time.Minute, 9, "/users/pia", `,"outcome":"refused"`)
	change("acl", time.Minute, 10, "/projects/other/topics/t", `,"before":{"acl":["pia","bob"]},"after":{"acl":["bob"]}`)
	change("author", time.Minute, 11, "/projects/other", `,"before":{"created_by":"pia"},"after":{"created_by":"pia"}`)
	change("like", time.Minute, 12, "/users/pia2", `,"after":{"name":"pia2"}`)
	change("project", time.Minute, 13, "/projects/shop", `,"before":{"account":"A"},"after":{"account":"B"}`)
	change("removed", time.Minute, 14, "/projects/shop/topics/t", `,"before":{"name":"t"}`)
	change("added", time.Minute, 15, "/projects/shop/topics/t", `,"after":{"name":"t"}`)
	change("administered", time.Minute, 16, "/projects/lab/topics/t", `,"after":{"name":"t"}`)
	change("import", time.Minute, 17, "/directory", "")
	change("kick", time.Minute, 18, "/sessions", `,"before":{"user":"pia"}`)
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	callouttest.Must(t, os.WriteFile(file, []byte(text.String()), 0o600))
	about := &inquiry.About{
		Event:    &auditlog.Event{Kind: auditlog.KindDecision, Time: at, RequestID: "r1", User: "pia", DirectoryRevision: 7},
		Projects: map[string]bool{"shop": false, "lab": true},
	}
	if got := changes(t, file, about); got != "unknown acl project removed administered import restored" {
		t.Error(got)
	}
	about.Event.DirectoryRevision = 0
	if got := changes(t, file, about); got != "known acl project removed administered import restored" {
		t.Error(got)
	}
	about.Event = &auditlog.Event{Kind: inquiry.KindChange, Time: at, RequestID: "r2", Resource: "/projects/shop", Revision: 7}
	if got := changes(t, file, about); got != "project removed added restored" {
		t.Error(got)
	}
}

func changes(t *testing.T, file string, about *inquiry.About) string {
	t.Helper()
	all, err := inquiry.ChangesSince(t.Context(), auditlog.Files{file}, about)
	callouttest.Must(t, err)
	var ids []string
	for i := range all {
		ids = append(ids, all[i].Event.RequestID)
		if all[i].Event.RequestID == "project" && fmt.Sprintf("%s", all[i].Fields) != `[{account "A" "B"}]` {
			t.Errorf("%s", all[i].Fields)
		}
	}
	return strings.Join(ids, " ")
}

// FuzzReadLog: no log breaks the reader, and every line that is found is about the request.
func FuzzReadLog(f *testing.F) {
	f.Add("time=2026-03-01T12:00:00Z level=INFO msg=request request_id=r1 a=\"b c\" d=\n")
	f.Add(`usher-1 | {"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"m","request_id":"r1","n":{"a":[1]}}`)
	f.Add(`{"time":"2026-03-01T12:06:00Z","request_id":"r1","outcome":"denied"}`)
	f.Add("time=2026-03-01T12:00:00Z level=INFO msg=\"r1\n\"=\"\" =")
	f.Fuzz(func(t *testing.T, text string) {
		trail := &inquiry.Trail{ID: "r1"}
		lines, err := trail.ReadLog("log", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			if lines[i].Time.IsZero() || lines[i].Message == "" {
				t.Errorf("%+v", lines[i])
			}
		}
		for _, e := range trail.Events {
			if again, ok := auditlog.Parse(e.Text, chain.Place{}); !ok || again.RequestID != "r1" && again.GrantedBy != "r1" {
				t.Errorf("%s", e.Text)
			}
		}
	})
}
