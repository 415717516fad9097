package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestWhy: with a directory in a bucket and an audit in a stream, usher why finds the session,
// says that the directory is the one of then, and later who has closed the session and what has
// changed since.
func TestWhy(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	in.Edit(t, setup.FileConfig, "  to: file\n", "  to: stream\n")
	in.NatsServer(t)
	if code, _, stderr := answered(t, "bootstrap", "-c", in.Config(), "--to", in.Path("admin.key")); code != cmdutil.ExitOK {
		t.Fatalf("%d %s", code, stderr)
	}
	in.serve(t)
	api := []string{"--server", "http://" + in.API, "--key-file", in.Path("admin.key")}
	admin := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := answered(t, slices.Insert(args, 2, api...)...)
		if code != cmdutil.ExitOK {
			t.Fatalf("%v: %d %s", args, code, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	key := admin("user", "add", "alice")
	admin("project", "add", "--account", "APP", "shop")
	admin("member", "add", "--project", "shop", "--role", "publisher", "alice")
	nc := apptest.Connected(t, in.URL, nats.Token(key), nats.CustomInboxPrefix("_INBOX_alice"), nats.NoReconnect())

	var id string
	callouttest.Eventually(t, "the grant is in the audit", func() bool {
		_, stdout, _ := usher(t, "audit", "search", "-c", in.Config(), "--user", "alice", "--outcome", "granted", "--kind", "decision", "--json")
		var e struct {
			RequestID string `json:"request_id"`
		}
		_ = json.Unmarshal([]byte(stdout), &e) // empty: not yet
		id = e.RequestID
		in.Write(t, "copy.jsonl", stdout)
		return id != ""
	})
	var said string
	defer func() {
		if t.Failed() {
			t.Log(said)
		}
	}()
	// why waits until usher why says all parts: lines of the audit arrive a little later.
	why := func(options []string, parts ...string) {
		t.Helper()
		callouttest.Eventually(t, strings.Join(parts, ", "), func() bool {
			code, stdout, stderr := usher(t, append(append([]string{"why", "-c", in.Config()}, options...), id)...)
			said = stdout + stderr
			return code == cmdutil.ExitOK && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(stdout, part) })
		})
	}
	why(api, "live: usher session show ", "granted, in account APP", "alice, publisher in shop",
		"nothing has changed: it still has revision ", "bucket usher_directory")
	if code, stdout, stderr := usher(t, append(append([]string{"why", "--file", in.Path("copy.jsonl")}, api...), id)...); code != cmdutil.ExitOK ||
		!strings.Contains(stdout, "a valid key of alice is granted, in account APP") ||
		!strings.Contains(stdout, "alice, publisher in shop") || !strings.Contains(stdout, "http://"+in.API) {
		t.Errorf("over the API alone: %d %s%s", code, stdout, stderr)
	}
	why([]string{"--context", "none"}, "live sessions: ", "not known without the API", "granted, in account APP")

	admin("user", "add", "bob")
	why(api, "the entries of alice are as they were then", "live: usher session show ")
	admin("member", "set", "--project", "shop", "--role", "consumer", "alice")
	admin("session", "kick", "--user", "alice", "--reason", "left", "--yes")
	callouttest.Eventually(t, "the session is closed", nc.IsClosed)
	admin("key", "rm", "--yes", "alice", "default")
	why(api, "session_closed kicked, by admin: left", "usher closed it at ", "denied: alice has no key default any more",
		"member.update /projects/shop/members/alice by admin: projects ", "key.delete /users/alice/keys/default by admin", "membership in shop")

	var report struct {
		Session struct{ State string } `json:"session"`
		Now     string                 `json:"now"`
		Changes []json.RawMessage      `json:"changes_since"`
	}
	code, stdout, stderr := usher(t, "why", "-c", in.Config(), "--json", id)
	if code != cmdutil.ExitOK {
		t.Fatalf("%d %s", code, stderr)
	}
	callouttest.Must(t, json.Unmarshal([]byte(stdout), &report))
	if report.Session.State != "closed" || !strings.HasPrefix(report.Now, "denied") || len(report.Changes) != 2 {
		t.Errorf("%+v", report)
	}
}
