package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// newAdminKey returns a key that is not written anywhere.
func newAdminKey(t *testing.T, name string, again bool) *adminKey {
	t.Helper()
	key, err := apikey.New(zeros{})
	callouttest.Must(t, err)
	return &adminKey{
		name: name, again: again, key: key, id: uuid.New(), now: time.Now().UTC().Truncate(time.Second),
		write: func() error { return nil },
	}
}

// snapshotOf returns a directory of these entries.
func snapshotOf(t *testing.T, entries ...directory.Entry) *snapshot.Snapshot {
	t.Helper()
	b := snapshot.NewBuilder()
	for i := range entries {
		entries[i].Revision = uint64(i + 1)
		b.Add(&entries[i])
	}
	s, _ := b.Snapshot()
	return s
}

// TestFirstAdminOfNothing: unreadable entries may be users that a newer usher wrote.
func TestFirstAdminOfNothing(t *testing.T) {
	id := uuid.New()
	for name, c := range map[string]struct {
		snapshot *snapshot.Snapshot
		faults   []kv.Fault
		user     string
		ok       bool
	}{
		"nothing":                    {snapshot: snapshot.Empty(), user: "admin", ok: true},
		"a user":                     {snapshot: snapshotOf(t, directory.Put(directory.UserKey(id), &directory.User{Name: "ann"})...), user: "admin"},
		"a user that cannot be read": {snapshot: snapshotOf(t, directory.Put(directory.UserKey(id), &directory.Unreadable{})...), user: "admin"},
		"a key of nobody":            {snapshot: snapshotOf(t, directory.Put(directory.KeyKey(id, "k"), &directory.Key{})...), user: "admin"},
		"an entry of no kind":        {snapshot: snapshot.Empty(), faults: []kv.Fault{{Key: "group.x"}}, user: "admin"},
		"a name that is usher's":     {snapshot: snapshot.Empty(), user: "usher-healthcheck"},
	} {
		a := newAdminKey(t, c.user, false)
		_, err := a.change(c.snapshot, c.faults)
		if (err == nil) != c.ok || a.written != c.ok {
			t.Errorf("%s: %v; written: %t", name, err, a.written)
		}
	}
}

// TestAdminKeyAgain: a service admin gets another key; another user only if no service
// admin has a valid key.
func TestAdminKeyAgain(t *testing.T) {
	user := func(name string, disabled bool, roles ...directory.ServiceRole) directory.Entry {
		return directory.Entry{Key: directory.UserKey(directory.IDOf(directory.KindUser, name)), Value: &directory.User{Name: name, Disabled: disabled, ServiceRoles: roles}}
	}
	key := func(name string, k directory.Key) directory.Entry {
		k.ID, k.Digest = "default", directory.DigestOf(name)
		return directory.Entry{Key: directory.KeyKey(directory.IDOf(directory.KindUser, name), "default"), Value: &k}
	}
	admin := user("root", false, directory.ServiceRoleAdmin)
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		entries []directory.Entry
		who     string
		ok      bool
	}{
		"the admin":                       {[]directory.Entry{admin, key("root", directory.Key{})}, "root", true},
		"the admin, who is disabled":      {[]directory.Entry{user("root", true, directory.ServiceRoleAdmin), key("root", directory.Key{})}, "root", true},
		"somebody else":                   {[]directory.Entry{admin, key("root", directory.Key{}), user("ann", false)}, "ann", false},
		"nobody":                          {[]directory.Entry{admin, key("root", directory.Key{})}, "zed", false},
		"nobody, while a key still works": {[]directory.Entry{admin, key("root", directory.Key{Expires: future})}, "zed", false},
		"somebody else, no key works":     {[]directory.Entry{admin, key("root", directory.Key{Expires: past}), user("ann", false)}, "ann", true},
		"nobody, no key works yet":        {[]directory.Entry{admin, key("root", directory.Key{NotBefore: future})}, "zed", true},
		"nobody, the key is disabled":     {[]directory.Entry{admin, key("root", directory.Key{Disabled: true})}, "zed", true},
		"nobody, the admin is disabled":   {[]directory.Entry{user("root", true, directory.ServiceRoleAdmin), key("root", directory.Key{})}, "zed", true},
		"nobody, in nothing":              {nil, "zed", true},
	} {
		s := snapshotOf(t, c.entries...)
		a := newAdminKey(t, c.who, true)
		change, err := a.change(s, nil)
		if (err == nil) != c.ok || a.written != c.ok || err != nil && !errors.Is(err, errNoAdmin) {
			t.Errorf("%s: %v; written: %t", name, err, a.written)
		}
		if err != nil {
			continue
		}
		next, err := s.Try(change)
		callouttest.Must(t, err)
		record, ok := next.LookupKey(directory.DigestOf(a.key))
		if u, _ := next.User(c.who); !ok || !isAdmin(u) || u.Disabled || u.ID != a.id || record.Key.ID != a.keyID {
			t.Errorf("%s: %+v %+v", name, u, record)
		}
		if old, was := s.User(c.who); was && len(old.Keys) > 0 {
			if u, _ := next.User(c.who); !slices.ContainsFunc(u.Keys, func(k directory.Key) bool { return k.ID == "default" }) {
				t.Errorf("%s: the other key is gone", name)
			}
		}
	}
}

// TestKeyIsWrittenFirst: a key that cannot be written is not created, and a written key
// whose creation fails is removed.
func TestKeyIsWrittenFirst(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	in.Edit(t, setup.FileConfig, "  from: kv\n", "  from: embedded\n  store_dir: store\n")
	in.NatsServer(t)
	if runtime.GOOS == "linux" {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		callouttest.Must(t, err)
		defer full.Close() //nolint:errcheck // nothing gets into it
		for _, options := range [][]string{nil, {"--json"}} {
			var stderr strings.Builder
			code := run(t.Context(), append([]string{"usher", "bootstrap", "-c", in.Config()}, options...), full, &stderr)
			if code != cmdutil.ExitRuntime || !strings.Contains(stderr.String(), "error: write the key: ") || !strings.Contains(stderr.String(), "hint: nothing was changed") {
				t.Errorf("%v: %d %s", options, code, stderr.String())
			}
		}
	}
	if code, _, stderr := usher(t, "bootstrap", "-c", in.Config(), "--user", "profile"); code != cmdutil.ExitUsage || !strings.Contains(stderr, "reserved") {
		t.Errorf("%d %s", code, stderr)
	}
	if code, stdout, stderr := usher(t, "bootstrap", "-c", in.Config(), "--user", "usher-healthcheck", "--to", in.Path("key")); code != cmdutil.ExitRuntime || stdout != "" || apptest.FileExists(in.Path("key")) {
		t.Errorf("%d %s", code, stderr)
	}
	code, first, stderr := usher(t, "bootstrap", "-c", in.Config())
	if code != cmdutil.ExitOK || !strings.HasPrefix(first, "usher_") {
		t.Fatalf("%d %s", code, stderr)
	}
	code, stdout, stderr := usher(t, "bootstrap", "-c", in.Config(), "--to", in.Path("key"))
	if code != cmdutil.ExitDenied || stdout != "" || apptest.FileExists(in.Path("key")) || !strings.Contains(stderr, "usher bootstrap --again") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = usher(t, "bootstrap", "-c", in.Config(), "--again", "--user", "zed")
	if code != cmdutil.ExitDenied || stdout != "" || !strings.Contains(stderr, "hint: service admins: admin\n") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	code, _, stderr = usher(t, "bootstrap", "-c", in.Config(), "--again", "--to", in.Path("key"))
	if code != cmdutil.ExitOK || !strings.Contains(stderr, "created key bootstrap-") {
		t.Fatalf("%d %s", code, stderr)
	}
	callouttest.Must(t, os.WriteFile(in.Path("first"), []byte(first), 0o600))
	api, stop := in.serveAPI(t)
	defer stop()
	for _, file := range []string{"first", "key"} {
		if code, stdout, stderr := usher(t, "user", "profile", "--server", api, "--key-file", in.Path(file)); code != cmdutil.ExitOK || !strings.Contains(stdout, "admin") {
			t.Errorf("%s: %d %s%s", file, code, stdout, stderr)
		}
	}
	events, err := os.ReadFile(in.Path(setup.FileAudit))
	callouttest.Must(t, err)
	for _, want := range []string{
		`"outcome":"failed","cause":"write the key`,
		`"outcome":"refused","cause":"the directory is not empty","action":"bootstrap"`,
		`"outcome":"changed","action":"bootstrap","resource":"/users/admin","after":{"enabled":true,"service_roles":["service_admin"],"keys":["default"]},"revision":2,`,
		`"outcome":"changed","action":"bootstrap.again","resource":"/users/admin","before":{"enabled":true,"service_roles":["service_admin"],"keys":["default"]},"after":{"enabled":true,"service_roles":["service_admin"],"keys":["default","bootstrap-`,
	} {
		if !strings.Contains(string(events), want) && (runtime.GOOS == "linux" || !strings.Contains(want, "failed")) {
			t.Errorf("the audit has no %s\n%s", want, events)
		}
	}
	if strings.Contains(string(events), "usher_") {
		t.Error("a key in the audit")
	}
}
