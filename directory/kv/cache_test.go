package kv_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// cached runs a store with these users until it has written a cache, and returns its path.
func cached(tb testing.TB, c *nats.Conn, names ...string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "cache")
	s := open(tb, kv.Config{Conn: c, Create: true, Cache: path})
	stop := run(tb, s)
	add(tb, loaded(tb, s), names...)
	stop()
	return path
}

// later returns a clock that is ahead.
func later(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// Without JetStream a replica serves its cached snapshot and logs its age. It follows the
// bucket when JetStream is back.
func TestWithoutJetStream(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := connect(t, n.url())
	path := cached(t, c, "ada", "bob")
	before := time.Now()
	n.stop()

	var log callouttest.Buffer
	s := open(t, kv.Config{Conn: connect(t, n.url()), Cache: path, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: later(time.Hour)})
	if !has(s.Snapshot(), "ada", "bob") {
		t.Fatal("it does not serve")
	}
	if text := log.String(); !strings.Contains(text, "directory loaded from the snapshot on disk") || !strings.Contains(text, "age=1h0m") {
		t.Errorf("it does not say how old that is: %s", text)
	}
	run(t, s)
	status := s.Status()
	if !status.Loaded || status.Checked.IsZero() || status.Checked.After(before) {
		t.Errorf("%+v", status)
	}
	ctx, done := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer done()
	_, f := user("eve")
	if _, err := s.Change(ctx, f); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("a change: %v", err)
	}
	n.start(t)
	callouttest.Eventually(t, "the store is up to date", func() bool { return s.Status().Checked.After(before) })
	other := loaded(t, start(t, kv.Config{Conn: connect(t, n.url())}))
	add(t, other, "cyd")
	callouttest.Eventually(t, "the store follows", func() bool { return has(s.Snapshot(), "ada", "bob", "cyd") })
	if strings.Contains(log.String(), `msg="directory loaded"`) {
		t.Error("it has read everything anew")
	}
}

// A cache with a key that is no API key has a version that older ushers do not read: they
// would take the key's digest, which is of a public text, for that of an API key.
func TestCacheWithOtherKeys(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := connect(t, n.url())
	path := filepath.Join(t.TempDir(), "cache")
	s := open(t, kv.Config{Conn: c, Create: true, Cache: path})
	stop := run(t, s)
	loaded(t, s)
	id := directory.IDOf(directory.KindUser, "ada")
	k := &directory.Key{Digest: directory.CertificateDigest("CN=ada"), Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: "CN=ada"}}
	_, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{{Key: directory.UserKey(id), Value: &directory.User{Name: "ada"}}, {Key: directory.KeyKey(id, "cert"), Value: k}}, nil
	})
	callouttest.Must(t, err)
	stop()
	n.stop()
	data, err := os.ReadFile(path)
	callouttest.Must(t, err)
	if want := "usher directory snapshot 3\n"; !bytes.HasPrefix(data, []byte(want)) {
		t.Errorf("the file begins with %q, want %q", data[:len(want)], want)
	}
	rec, ok := open(t, kv.Config{Conn: connect(t, n.url()), Cache: path}).Snapshot().LookupKey(k.Digest)
	if !ok || rec.User.Name != "ada" || rec.Key.Other == nil || *rec.Key.Other != *k.Other {
		t.Errorf("%v, %+v", ok, rec.Key)
	}
}

// A damaged cache is not used, not even in part.
//
// Attack: a damaged snapshot file on disk is used
// Held by: the file has a checksum, and is read as a whole or not at all
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	good, err := os.ReadFile(cached(t, connect(t, n.url()), "ada", "bob"))
	callouttest.Must(t, err)
	n.stop()
	away := connect(t, n.url())
	path := filepath.Join(t.TempDir(), "cache")
	refused := func(what string, content []byte, at int) {
		t.Helper()
		callouttest.Must(t, os.WriteFile(path, content, 0o600))
		var log bytes.Buffer
		s := open(t, kv.Config{Conn: away, Cache: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if s.Snapshot() != nil || s.Status().Loaded || !s.LoadedAt().IsZero() {
			t.Errorf("%s, at %d: it is served from", what, at)
		}
		if !strings.Contains(log.String(), "cannot use the directory snapshot on disk") {
			t.Errorf("%s, at %d: logged %q", what, at, log.String())
		}
	}
	for at := range good {
		refused("cut off", good[:at], at)
		spoilt := slices.Clone(good)
		spoilt[at] ^= []byte{0x01, 0x80, 0xff}[at%3]
		refused("flipped", spoilt, at)
	}
	resum := func(body []byte) []byte {
		sum := sha256.Sum256(body)
		return append(body, sum[:]...)
	}
	body := good[:len(good)-sha256.Size]
	refused("longer", append(slices.Clone(good), 0), len(good))
	refused("longer, and the sum fits", resum(append(slices.Clone(body), 0)), len(body))
	refused("of another version", resum(bytes.Replace(slices.Clone(body), []byte("snapshot 2\n"), []byte("snapshot 9\n"), 1)), 0)
	refused("foreign", []byte(strings.Repeat("users: []\n", 100)), 0)
	refused("of another bucket", resum(bytes.Replace(slices.Clone(body), []byte("eusher"), []byte("eother"), 1)), 0)
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o620: false, 0o602: false, 0o666: false} {
		callouttest.Must(t, os.WriteFile(path, good, 0o600))
		callouttest.Must(t, os.Chmod(path, mode))
		s := open(t, kv.Config{Conn: away, Cache: path})
		if got := s.Snapshot() != nil; runtime.GOOS != "windows" && got != ok {
			t.Errorf("mode %04o: served from: %v", mode, got)
		}
	}
}

// A store with a damaged cache waits for the bucket, and replaces the cache.
func TestReplacedCache(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	path := cached(t, connect(t, n.url()), "ada", "bob")
	n.stop()
	callouttest.Must(t, os.Truncate(path, 100))
	s := start(t, kv.Config{Conn: connect(t, n.url()), Cache: path})
	_, f := user("eve")
	if _, err := s.Change(t.Context(), f); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("a change: %v", err)
	}
	n.start(t)
	if !has(loaded(t, s).Snapshot(), "ada", "bob") {
		t.Error("not all is there")
	}
	callouttest.Eventually(t, "the cache is good", func() bool {
		return open(t, kv.Config{Conn: connect(t, n.url()), Cache: path, Log: slog.New(slog.DiscardHandler)}).Snapshot() != nil
	})
}

// A new cache replaces the old one when the directory has changed. Only its owner may read
// it.
func TestCacheIsWritten(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	path := cached(t, c, "ada")
	look := func() []byte {
		t.Helper()
		info, err := os.Stat(path)
		callouttest.Must(t, err)
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %04o", info.Mode().Perm())
		}
		names, err := os.ReadDir(filepath.Dir(path))
		callouttest.Must(t, err)
		if len(names) != 1 {
			t.Errorf("left behind: %v", names)
		}
		content, err := os.ReadFile(path)
		callouttest.Must(t, err)
		return content
	}
	again := func(what string, names ...string) {
		t.Helper()
		before := look()
		s := open(t, kv.Config{Conn: c, Cache: path})
		from := s.Status().Checked
		stop := run(t, s)
		callouttest.Eventually(t, "the store is up to date", func() bool { return s.Status().Checked.After(from) })
		add(t, s, names...)
		stop()
		if same := bytes.Equal(before, look()); same != (len(names) == 0) {
			t.Errorf("%s: the same file: %v", what, same)
		}
	}
	again("nothing changes")
	again("something changes", "bob", "cyd")
	if !has(open(t, kv.Config{Conn: c, Cache: path}).Snapshot(), "ada", "bob", "cyd") {
		t.Error("the cache is not that of the end")
	}
}

// follows starts a store from a cache, and reports whether it has read the whole bucket
// again.
func follows(t *testing.T, c *nats.Conn, path string, now func() time.Time, names ...string) (reread bool) {
	t.Helper()
	var loads atomic.Int64
	s := open(t, kv.Config{Conn: c, Create: true, Cache: path, Now: now, OnChange: func(c kv.Changed) {
		if c.Loaded {
			loads.Add(1)
		}
	}})
	if s.Snapshot() == nil {
		t.Fatal("the cache is not served from")
	}
	from := s.Status().Checked
	stop := run(t, s)
	callouttest.Eventually(t, "the store is up to date", func() bool { return s.Status().Checked != from })
	callouttest.Eventually(t, "the store has what the bucket has", func() bool { return has(s.Snapshot(), names...) })
	stop() // OnChange hears of what is in use a little later
	return loads.Load() > 0
}

// A cache older than half of MarkerLife is not resumed from: delete markers may have
// expired since.
func TestOldCache(t *testing.T) {
	t.Parallel()
	const half = kv.MarkerLife / 2
	for age, want := range map[time.Duration]bool{0: false, half - time.Hour: false, half + time.Hour: true, 40 * half: true, -time.Minute: false, -2 * half: true} {
		c := jetStream(t)
		path := cached(t, c, "ada", "bob")
		s := open(t, kv.Config{Conn: c})
		stop := run(t, s)
		loaded(t, s)
		change(t, s, func(now *snapshot.Snapshot) ([]directory.Entry, error) {
			return now.RemoveUser(directory.IDOf(directory.KindUser, "ada")), nil
		})
		stop()
		if got := follows(t, c, path, later(age), "bob"); got != want {
			t.Errorf("%s old: read again: %v", age, got)
		}
	}
}

// A bucket that was created again or restored is read again.
func TestOtherBucket(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, n *node, path string) []string{
		"the same": func(*testing.T, *node, string) []string { return []string{"ada", "bob"} },
		"made again": func(t *testing.T, n *node, _ string) []string {
			t.Helper()
			remove(t, n)
			add(t, loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true})), "cyd", "dan", "eve", "fay")
			return []string{"cyd", "dan", "eve", "fay"}
		},
		"restored": func(t *testing.T, n *node, backup string) []string {
			t.Helper()
			restore(t, n, backup)
			return []string{"ada"}
		},
		"restored, and as long again": func(t *testing.T, n *node, backup string) []string {
			t.Helper()
			restore(t, n, backup)
			add(t, loaded(t, start(t, kv.Config{Conn: connect(t, n.url())})), "cyd")
			return []string{"ada", "cyd"}
		},
		"restored, and longer": func(t *testing.T, n *node, backup string) []string {
			t.Helper()
			restore(t, n, backup)
			add(t, loaded(t, start(t, kv.Config{Conn: connect(t, n.url())})), "cyd", "dan")
			return []string{"ada", "cyd", "dan"}
		},
		"restored, longer, and nothing at the revision where it was": func(t *testing.T, n *node, backup string) []string {
			t.Helper()
			restore(t, n, backup)
			s := loaded(t, start(t, kv.Config{Conn: connect(t, n.url())}))
			for range 4 {
				change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) { return member("ada")[:1], nil })
			}
			return []string{"ada"}
		},
	}
	for name, meanwhile := range tests {
		for _, running := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", meanwhile", false: ", before"}[running], func(t *testing.T) {
				backup := storeDir(t)
				n := startNode(t)
				path := cached(t, connect(t, n.url()), "ada")
				n.stop()
				callouttest.Must(t, os.CopyFS(backup, os.DirFS(n.opts.StoreDir)))
				n.start(t)
				c := connect(t, n.url())
				s := open(t, kv.Config{Conn: c, Create: true, Cache: path})
				stop := run(t, s)
				add(t, loaded(t, s), "bob")
				if running {
					names := meanwhile(t, n, backup)
					callouttest.Eventually(t, "the store has what the bucket has", func() bool { return has(s.Snapshot(), names...) })
					return
				}
				stop()
				names := meanwhile(t, n, backup)
				if reread := follows(t, c, path, nil, names...); reread != (name != "the same") {
					t.Errorf("read again: %v", reread)
				}
			})
		}
	}
}

func remove(t *testing.T, n *node) {
	t.Helper()
	answer, err := connect(t, n.url()).Request("$JS.API.STREAM.DELETE.KV_usher", nil, 10*time.Second)
	callouttest.Must(t, err)
	if !strings.Contains(string(answer.Data), `"success":true`) {
		t.Fatalf("%s", answer.Data)
	}
}

func restore(t *testing.T, n *node, backup string) {
	t.Helper()
	n.stop()
	n.opts.StoreDir = backup
	n.start(t)
}

// The first cache has the time at which it was up to date, however soon it is written.
func TestCacheHasCheckedTime(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	add(t, loaded(t, start(t, kv.Config{Conn: c, Create: true})), "ada")
	path, before := filepath.Join(t.TempDir(), "cache"), time.Now()
	written := func() bool { _, err := os.Stat(path); return err == nil }
	start(t, kv.Config{Conn: c, Cache: path, OnChange: func(kv.Changed) { callouttest.Eventually(t, "the cache is written", written) }})
	callouttest.Eventually(t, "the cache is written", written)
	_, status, err := kv.ReadCache(path, "usher")
	callouttest.Must(t, err)
	if status.Checked.Before(before) {
		t.Errorf("%+v", status)
	}
}
