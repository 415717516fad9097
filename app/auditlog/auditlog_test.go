package auditlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/auditlog"
	"usher/app/auditstream"
	"usher/callout/callouttest"
	"usher/internal/audit"
	"usher/internal/audit/chain"
	"usher/issuer"
)

func TestMain(m *testing.M) {
	callouttest.RaiseParallelism()
	m.Run()
}

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// written returns an audit, and the public key that has signed it.
func written(t *testing.T) ([]byte, string) {
	t.Helper()
	s, err := issuer.NewSigner([]byte(callouttest.NewKeys(t).IssuerSeed))
	callouttest.Must(t, err)
	var out bytes.Buffer
	l := audit.NewChained(chain.NewWriter(&chain.Config{
		Out: &out, ID: "20260301T120000.000Z-000000000001", Signer: func() chain.Signer { return s }, Now: func() time.Time { return at },
	}), nil)
	l.Write(audit.Event{Time: at, RequestID: "r1", Outcome: "granted", User: "pia", ClientHost: "192.0.2.7"})
	l.Write(audit.Event{Time: at.Add(time.Minute), RequestID: "r2", Outcome: "denied", Code: "key_expired", User: "bob", ClientHost: "2001:db8::1"})
	l.WriteSessionClosed(audit.SessionClosed{Time: at.Add(time.Hour), Code: audit.ClosedKicked, User: "pia", GrantedBy: "r1", Actor: "root"})
	l.WriteChange(audit.Change{Time: at.Add(2 * time.Hour), RequestID: "r3", Outcome: audit.Changed, Actor: "bob", Action: "user.update", Resource: "/users/pia"})
	callouttest.Must(t, l.Close(t.Context()))
	return out.Bytes(), s.PublicKey()
}

// sources returns the audit in two files, and in a stream.
func sources(t *testing.T, text []byte) map[string]auditlog.Source {
	t.Helper()
	dir := t.TempDir()
	all := bytes.SplitAfter(text, []byte("\n"))
	old, now := filepath.Join(dir, "audit.1"), filepath.Join(dir, "audit")
	callouttest.Must(t, os.WriteFile(old, bytes.Join(all[:2], nil), 0o600))
	callouttest.Must(t, os.WriteFile(now, bytes.Join(all[2:], nil), 0o600))
	srv := callouttest.StartServer(t, callouttest.ServerConfig{
		Keys: callouttest.NewKeys(t), NoCallout: true, Extra: fmt.Sprintf("jetstream: {store_dir: %q}\n", filepath.ToSlash(t.TempDir())),
	})
	nc, err := nats.Connect(srv.URL(), nats.UserInfo(callouttest.AdminUser, callouttest.Password), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	w, err := auditstream.Open(&auditstream.Config{Conn: nc, Stream: "A", Subject: "a", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	callouttest.Must(t, err)
	for _, line := range all[:len(all)-1] {
		_, err := w.Write(line)
		callouttest.Must(t, err)
	}
	callouttest.Must(t, w.Close(t.Context()))
	return map[string]auditlog.Source{"file": auditlog.Files{old, now}, "stream": &auditlog.Stream{Conn: nc, Name: "A"}}
}

// The sources answer alike, and their chain is whole.
func TestSources(t *testing.T) {
	t.Parallel()
	text, key := written(t)
	for name, s := range sources(t, text) {
		for _, c := range []struct {
			f    auditlog.Filter
			want string
		}{
			{auditlog.Filter{}, "decision r1, decision r2, session_closed r1, change r3"},
			{auditlog.Filter{User: "pia"}, "decision r1, session_closed r1"},
			{auditlog.Filter{User: "bob"}, "decision r2, change r3"},
			{auditlog.Filter{RequestID: "r1"}, "decision r1, session_closed r1"},
			{auditlog.Filter{Code: "key_expired"}, "decision r2"},
			{auditlog.Filter{Outcome: "changed"}, "change r3"},
			{auditlog.Filter{From: netip.MustParsePrefix("192.0.2.0/24")}, "decision r1"},
			{auditlog.Filter{Kinds: []string{"change", "push"}}, "change r3"},
			{auditlog.Filter{Until: at.Add(time.Minute)}, "decision r1, decision r2"},
			{auditlog.Filter{User: "nobody"}, ""},
		} {
			var got []string
			callouttest.Must(t, auditlog.Search(t.Context(), s, &c.f, func(e *auditlog.Event) error {
				id := e.RequestID
				if id == "" {
					id = e.GrantedBy
				}
				got = append(got, e.Kind+" "+id)
				return nil
			}))
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("%s: %+v: got %q, want %q", name, c.f, text, c.want)
			}
		}
		r, err := auditlog.Verify(t.Context(), s, []string{key}, true, time.Now())
		callouttest.Must(t, err)
		if r.Problems != 0 || len(r.Findings) != 0 || r.Lines != 6 || r.Runs[0].Signatures != 2 {
			t.Errorf("%s: %+v", name, r)
		}
		// Nothing is that young, or everything was stored now.
		found := 0
		callouttest.Must(t, auditlog.Search(t.Context(), s, &auditlog.Filter{Since: time.Now().Add(time.Hour)}, func(*auditlog.Event) error { found++; return nil }))
		if found != 0 {
			t.Errorf("%s: %d from the future", name, found)
		}
	}
}

// Following a file goes on after rotation, and with a stream it sees what comes.
func TestFollow(t *testing.T) {
	t.Parallel()
	text, _ := written(t)
	path := filepath.Join(t.TempDir(), "audit")
	callouttest.Must(t, os.WriteFile(path, text, 0o600))
	more := func(name string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		callouttest.Must(t, err)
		_, err = fmt.Fprintf(f, `{"time":"2026-03-01T15:00:00Z","request_id":%q}`+"\n", name)
		callouttest.Must(t, errors.Join(err, f.Close()))
	}
	got := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- auditlog.Follow(ctx, auditlog.Files{path}, &auditlog.Filter{}, 2, func(e *auditlog.Event) error { got <- e.RequestID; return nil })
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case id := <-got:
			if id != want {
				t.Fatalf("got %s, want %s", id, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s does not come", want)
		}
	}
	expect("r3")
	more("r4")
	expect("r4")
	callouttest.Must(t, os.Rename(path, path+".1"))
	more("r5")
	expect("r5")
	cancel()
	callouttest.Must(t, <-ended)
}

// Attack: the audit file has a line without an end, to have a command that reads it use up the memory
// Held by: no more of a line is kept than the longest one of usher may have; it is a problem, and the lines behind it are read
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	text, key := written(t)
	path := filepath.Join(t.TempDir(), "audit")
	f, err := os.Create(path)
	callouttest.Must(t, err)
	lines := bytes.SplitAfter(text, []byte("\n"))
	_, err = f.Write(lines[0])
	callouttest.Must(t, err)
	long := bytes.Repeat([]byte(" "), 1<<20)
	for range 20 {
		_, err = f.Write(long)
		callouttest.Must(t, err)
	}
	_, err = f.Write(append([]byte("\n"), bytes.Join(lines[1:], nil)...))
	callouttest.Must(t, err)
	callouttest.Must(t, f.Close())
	longest, n := 0, 0
	callouttest.Must(t, auditlog.Files{path}.Read(t.Context(), time.Time{}, func(line []byte, _ chain.Place) error {
		longest, n = max(longest, len(line)), n+1
		return nil
	}))
	if longest > 1<<20 || n != len(lines) {
		t.Errorf("%d lines, the longest has %d bytes", n, longest)
	}
	r, err := auditlog.Verify(t.Context(), auditlog.Files{path}, []string{key}, true, at)
	callouttest.Must(t, err)
	if r.Problems != 1 || r.Findings[0].Fault != chain.Unreadable {
		t.Errorf("%+v", r.Findings)
	}
}
