package api_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/audit"
)

// importLines imports a directory file, and returns the lines of the response.
func (s *service) importLines(query, text string) []wire.ImportLine {
	s.t.Helper()
	got := s.root(200, "POST", "/v1/directory:import"+query, text)
	if typ := got.Get("Content-Type"); typ != "application/x-ndjson" {
		s.t.Errorf("content type %s", typ)
	}
	var all []wire.ImportLine
	for line := range strings.Lines(got.text) {
		var l wire.ImportLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, l)
	}
	return all
}

func diffOf(lines []wire.ImportLine) string {
	var text []string
	for _, l := range lines {
		if l.Diff != "" {
			text = append(text, l.Diff)
		}
	}
	return strings.Join(text, "\n")
}

func TestExport(t *testing.T) {
	s := start(t, nil, nil)
	got := s.root(200, "GET", "/v1/directory:export", "")
	if typ := got.Get("Content-Type"); typ != "application/yaml" {
		t.Errorf("content type %s", typ)
	}
	for who, key := range s.keys {
		if strings.Contains(got.text, key) || !strings.Contains(got.text, directory.DigestOf(key).String()) {
			t.Errorf("the key of %s is shown, or its digest is not", who)
		}
	}
	records, _, err := file.Parse("export", []byte(got.text))
	callouttest.Must(t, err)
	if len(records.Users) != len(testUsers()) || len(records.Projects) != 2 {
		t.Errorf("%d users, %d projects", len(records.Users), len(records.Projects))
	}
	for _, mode := range []string{"merge", "replace"} {
		lines := s.importLines("?mode="+mode, got.text)
		if len(lines) != 1 || lines[0].Result == nil || lines[0].Result.Entries != 0 {
			t.Errorf("%s of an export: %+v", mode, lines)
		}
	}
	s.noSecrets()
}

func TestImport(t *testing.T) {
	s := start(t, nil, nil)
	const text = `
users:
  - name: pub
    first_name: Pia
  - name: new
projects:
  - name: web
    members: [{user: new, roles: [publisher]}]
    topics: [{name: hits, acl: [new]}]
`
	const diff = "+ user new\n~ user pub: profile\n+ project web (account WEB, 1 member, 1 topic)"
	dry := s.importLines("?dryRun=true&account=WEB", text)
	if got := diffOf(dry); got != diff {
		t.Errorf("got\n%s\nwant\n%s", got, diff)
	}
	if r := dry[len(dry)-1].Result; r == nil || !r.DryRun || r.Entries != 6 || r.Counts.Users != (wire.ImportCount{Added: 1, Changed: 1}) {
		t.Errorf("got %+v", r)
	}
	if _, ok := s.store.Snapshot().User("new"); ok || len(s.changes()) != 0 {
		t.Error("a dry run changed the directory, or was audited")
	}
	lines := s.importLines("?account=WEB", text)
	if len(lines) != 2 || lines[0] != (wire.ImportLine{Done: 6, Total: 6}) || lines[1].Result == nil || lines[1].Result.DryRun {
		t.Errorf("got %+v", lines)
	}
	m, ok := s.store.Snapshot().Member("web", "new")
	if !ok || len(m.Topics) != 1 || m.Project.Account != "WEB" {
		t.Errorf("got %+v", m)
	}
	u, _ := s.store.Snapshot().User("new")
	root, _ := s.store.Snapshot().User("root")
	if !u.Made.Created.Equal(startTime) || u.Made.By != root.ID {
		t.Errorf("made %+v", u.Made)
	}
	c := s.lastChange()
	if c.Action != "directory.import" || c.Outcome != audit.Changed || c.Actor != "root" || c.Before != nil || !strings.Contains(string(c.After), `"entries":6`) {
		t.Errorf("audited %+v", c)
	}
	if n := len(s.changes()); n != 1 {
		t.Errorf("%d changes were audited", n)
	}
	s.noSecrets()
}

func TestImportReplaces(t *testing.T) {
	s := start(t, nil, nil)
	key := "another-admin"
	text := fmt.Sprintf("users: [{name: boss, service_roles: [service_admin], keys: [{digest: %q}]}]", directory.DigestOf(key))
	s.importLines("?mode=replace", text)
	if got := s.store.Snapshot().Size(); got != (directory.Size{Users: 1, Keys: 1}) {
		t.Errorf("got %+v", got)
	}
	if got := s.as("root", "GET", "/v1/users/profile", ""); got.code != http.StatusUnauthorized {
		t.Errorf("a user that the import removed: %d", got.code)
	}
	if got := s.as(key, "POST", "/v1/directory:import?mode=replace", "users: []"); got.code != http.StatusConflict || !strings.Contains(got.text, "nobody could manage") {
		t.Errorf("removing the last service_admin: %d %s", got.code, got.text)
	}
}

func TestImportErrors(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.DefaultAccount = "" })
	tests := []struct{ query, text, want string }{
		{"?mode=all", "users: []", "Invalid mode"},
		{"?dryRun=maybe", "users: []", "Invalid dryRun"},
		{"", "", "contains no directory"},
		{"", "users: {", "body:2:1: not valid YAML"},
		{"", "users:\n- nam: x\n", `body:2:3: users[0].nam: unknown key (did you mean \"name\"?)`},
		{"", "users:\n- name: x\nprojects:\n- name: y\n  members: [{user: z, roles: [publisher]}]", `body:5:20: projects[0].members[0].user: there is no user \"z\"`},
		{"", "projects:\n- name: y\n", "projects[0].account: account is empty (name the NATS account"},
		{"", "users:\n- name: x\n  keys: [{digest: " + s.keys["root"] + "}]", "found an API key"},
		{"", "users:\n- name: x\n  keys: [{digest: \"" + directory.DigestOf(s.keys["pub"]).String() + "\"}]", "this key already belongs to another user"},
		{"?mode=replace", "users: []", "nobody could manage the directory"},
	}
	for _, tt := range tests {
		for _, dry := range []string{"", "dryRun=true"} {
			query := tt.query
			switch {
			case dry == "" || strings.Contains(query, "dryRun"):
			case query == "":
				query = "?" + dry
			default:
				query += "&" + dry
			}
			got := s.as("root", "POST", "/v1/directory:import"+query, tt.text)
			if got.error(t); got.code/100 != 4 || !strings.Contains(got.text, tt.want) {
				t.Errorf("%s: got %d %s, want %s", tt.text, got.code, got.text, tt.want)
			}
		}
	}
	s.noSecrets()
}

// An import that fails says how much it changed. Another import completes it.
func TestImportInterrupted(t *testing.T) {
	broken := &failingStore{Store: callouttest.KVStore(t), left: -1}
	s := start(t, broken, nil)
	var text strings.Builder
	text.WriteString("users:\n")
	for i := range 2500 {
		fmt.Fprintf(&text, "- name: user-%d\n", i)
	}
	broken.left = 2
	got := s.as("root", "POST", "/v1/directory:import", text.String())
	var last wire.ImportLine
	rows := strings.Split(strings.TrimSpace(got.text), "\n")
	callouttest.Must(t, json.Unmarshal([]byte(rows[len(rows)-1]), &last))
	if last.Error == nil || last.Error.Code != http.StatusServiceUnavailable || !slices.Contains(last.Error.Errors, "2000 of 2500 entries were changed; another import makes the other changes") {
		t.Fatalf("got %s", got.text)
	}
	if c := s.lastChange(); c.Outcome != audit.Failed || c.After != nil {
		t.Errorf("audited %+v", c)
	}
	broken.left = -1
	lines := s.importLines("", text.String())
	if lines[0] != (wire.ImportLine{Done: 500, Total: 500}) {
		t.Errorf("got %+v", lines[0])
	}
}

// failingStore is a store that fails after some changes.
type failingStore struct {
	*kv.Store
	left int // changes until it fails; negative: it does not fail
}

func (f *failingStore) Change(ctx context.Context, change func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	if f.left == 0 {
		return nil, fmt.Errorf("%w: no responders", kv.ErrUnavailable)
	}
	f.left--
	return f.Store.Change(ctx, change)
}

// An import stops when its author loses its role.
func TestImportDemoted(t *testing.T) {
	store := &racingStore{Store: callouttest.KVStore(t)}
	s := start(t, store, nil)
	store.before = func(*snapshot.Snapshot) []directory.Entry {
		return directory.Put(directory.UserKey(idsOf("root")[0]), &directory.User{Name: "root"})
	}
	got := s.as("root", "POST", "/v1/directory:import", "users: [{name: late}]")
	if _, ok := s.store.Snapshot().User("late"); ok || !strings.Contains(got.text, "FORBIDDEN") {
		t.Errorf("got %s", got.text)
	}
	if c := s.lastChange(); c.Outcome != audit.Refused || c.Actor != "root" {
		t.Errorf("audited %+v", c)
	}
}

// imported is how many users TestImportMany has, in thousands.
var imported = flag.Int("import", 10, "how many thousand users TestImportMany imports; CI has 100")

// An import of many users is made in parts, and reports its progress.
func TestImportMany(t *testing.T) {
	const perProject = 1_000
	users := *imported * perProject
	s := start(t, nil, nil)
	before, done := s.store.Snapshot().Size(), 0
	var text strings.Builder
	text.WriteString("users:\n")
	for i := range users {
		fmt.Fprintf(&text, "- {name: user-%d, email: user-%d@shop.example, created_on: 2025-06-01T08:00:00Z, keys: [{digest: %q}]}\n", i, i, directory.DigestOf(fmt.Sprint(i)))
	}
	text.WriteString("projects:\n")
	for p := range users / perProject {
		fmt.Fprintf(&text, "- name: project-%d\n  members:\n", p)
		for i := range perProject {
			fmt.Fprintf(&text, "  - {user: user-%d, roles: [publisher]}\n", p*perProject+i)
		}
		fmt.Fprintf(&text, "  topics:\n  - {name: orders, acl: [user-%d, user-%d]}\n", p*perProject, p*perProject+1)
	}
	startTime := time.Now()
	lines := s.importLines("?mode=merge", text.String())
	took := time.Since(startTime)
	last := lines[len(lines)-1]
	if last.Result == nil {
		t.Fatalf("the last line is %+v", last)
	}
	for _, l := range lines[:len(lines)-1] {
		if l.Done <= done || l.Total != last.Result.Entries {
			t.Fatalf("progress goes from %d to %+v", done, l)
		}
		done = l.Done
	}
	if last.Result.Counts.Users.Added != users || last.Result.Counts.Members.Added != users || len(lines) < last.Result.Entries/directory.MaxChange {
		t.Fatalf("%d lines, and %+v", len(lines), last.Result)
	}
	if size := s.store.Snapshot().Size(); size.Users != before.Users+users || size.Keys != before.Keys+users {
		t.Errorf("got %+v", size)
	}
	store, ok := s.store.(*kv.Store)
	if !ok {
		t.Fatalf("the store is a %T", s.store)
	}
	t.Logf("figures: %d users, %d MiB: %d entries in %v, peak memory %s with nats-server and client, snapshot %v old", users, text.Len()>>20,
		last.Result.Entries, took.Round(time.Millisecond), peak(t), time.Since(store.Status().Checked).Round(time.Millisecond))
}

// peak returns the peak memory of this process, or "unknown".
func peak(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if after, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(after)
		}
	}
	return "unknown"
}

// A header in clear is sealed by the import: it is shown to administrators and sent, and no
// export has it. The same import again changes nothing.
func TestImportHeader(t *testing.T) {
	s, endpoint, _ := pushed(t)
	const header = "d2f1aa90"
	text := fmt.Sprintf(`
projects:
  - name: shop
    subscriptions:
      - name: billing
        topic: orders
        push: {type: http_endpoint, endpoint: %q, verification_hash: abc, verified: true, authorization: {header: %s}}
`, endpoint, header)
	if lines := s.importLines("", text); lines[len(lines)-1].Result == nil || lines[len(lines)-1].Result.Counts.Subscriptions.Changed != 1 {
		t.Fatalf("%+v", lines)
	}
	if seen := s.pushConfig("admin"); seen.AuthorizationHeader.Value != header || !seen.Verified {
		t.Errorf("%+v", seen)
	}
	if diff := diffOf(s.importLines("?dry_run=true", text)); diff != "" {
		t.Errorf("the second import changes:\n%s", diff)
	}
	export := s.root(200, "GET", "/v1/directory:export", "").text
	if strings.Contains(export, "header:") || !strings.Contains(export, "sealed:") {
		t.Errorf("exported:\n%s", export)
	}
	s.root(400, "POST", "/v1/directory:import", strings.Replace(text, header, `"two words"`, 1))
}
