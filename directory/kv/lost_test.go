package kv_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
	"usher/directory/kv"
)

// A replica that had a directory does not create a lost bucket again, and does not load an
// empty one in its place. It serves its directory and logs an error until the bucket is
// restored.
func TestLostBucket(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, n *node) (says string){
		"deleted": func(t *testing.T, n *node) string { t.Helper(); remove(t, n); return "and it was in use" },
		"deleted, and created by another program": func(t *testing.T, n *node) string {
			t.Helper()
			remove(t, n)
			loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true}))
			return "an empty one has taken its place"
		},
		"lost by the server": func(t *testing.T, n *node) string {
			t.Helper()
			n.stop()
			n.opts.StoreDir = storeDir(t)
			n.start(t)
			return "and it was in use"
		},
	} {
		for _, running := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", meanwhile", false: ", before"}[running], func(t *testing.T) {
				t.Parallel()
				backup := storeDir(t)
				n := startNode(t)
				path := cached(t, connect(t, n.url()), "ada", "bob")
				n.stop()
				callouttest.Must(t, os.CopyFS(backup, os.DirFS(n.opts.StoreDir)))
				n.start(t)
				var log callouttest.Buffer
				c := connect(t, n.url())
				cfg := kv.Config{Conn: c, Create: true, Cache: path, Log: slog.New(slog.NewTextHandler(&log, nil))}
				var says string
				if !running {
					says = lose(t, n)
				}
				s := open(t, cfg)
				from := s.Status().Checked
				stop := run(t, s)
				if running {
					callouttest.Eventually(t, "the store is up to date", func() bool { return s.Status().Checked != from })
					says = lose(t, n)
				}
				callouttest.Eventually(t, "the error is logged", func() bool {
					return strings.Contains(log.String(), kv.ErrNoBucket.Error()) && strings.Contains(log.String(), says)
				})
				if !has(s.Snapshot(), "ada", "bob") {
					t.Error("it does not serve any more")
				}
				js, err := jetstream.New(c)
				callouttest.Must(t, err)
				var stream jetstream.Stream
				callouttest.Eventually(t, "the server answers", func() bool {
					stream, err = js.Stream(t.Context(), "KV_usher")
					return err == nil || errors.Is(err, jetstream.ErrStreamNotFound)
				})
				if err == nil && stream.CachedInfo().State.LastSeq > 0 {
					t.Error("something was written")
				} else if made := err == nil; made != strings.Contains(says, "taken its place") {
					t.Errorf("there is a bucket: %v", made)
				}
				restore(t, n, backup)
				callouttest.Eventually(t, "the bucket is followed again", func() bool { return strings.Contains(log.String(), "following the directory's bucket again") })
				if !has(s.Snapshot(), "ada", "bob") {
					t.Error("it has not come back")
				}
				stop()
				if kept, _, err := kv.ReadCache(path, "usher"); err != nil || !has(kept, "ada", "bob") {
					t.Errorf("the snapshot on disk was overwritten: %v", err)
				}
			})
		}
	}
}

// A damaged cache proves that the bucket has existed. A cache of another bucket does not.
func TestLostBucketAndSnapshot(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := connect(t, n.url())
	path := cached(t, c, "ada")
	var log callouttest.Buffer
	loaded(t, start(t, kv.Config{Conn: c, Create: true, Bucket: "other", Cache: path, ReadOnly: true}))
	callouttest.Must(t, os.Truncate(path, 100))
	remove(t, n)
	s := start(t, kv.Config{Conn: c, Create: true, Cache: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	callouttest.Eventually(t, "the error is logged", func() bool { return strings.Contains(log.String(), "and it was in use") })
	if s.Snapshot() != nil {
		t.Error("an empty directory is served")
	}
	callouttest.Must(t, os.Remove(path))
	loaded(t, start(t, kv.Config{Conn: c, Create: true, Cache: path}))
	loaded(t, s)
}

// Messages of tickets do not make a new bucket count as filled.
func TestLostBucketAndTicket(t *testing.T) {
	t.Parallel()
	for name, header := range map[string][]string{"opened": {"Usher-Turn", "x"}, "closed": {"Usher-Turn", "x", "KV-Operation", "DEL"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t)
			c := connect(t, n.url())
			path := cached(t, c, "ada", "bob")
			remove(t, n)
			loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true}))
			write(t, c, "turn", "", header...)
			write(t, c, "turn", "", header...)
			var log callouttest.Buffer
			s := start(t, kv.Config{Conn: c, Cache: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
			callouttest.Eventually(t, "the error is logged, or the bucket was loaded", func() bool {
				return strings.Contains(log.String(), "an empty one has taken its place") || !has(s.Snapshot(), "ada", "bob")
			})
			if !has(s.Snapshot(), "ada", "bob") {
				t.Error("an empty directory is served")
			}
		})
	}
}
