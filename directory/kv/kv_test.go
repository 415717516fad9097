package kv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

func TestChange(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	cache := filepath.Join(t.TempDir(), "cache")
	a := loaded(t, start(t, kv.Config{Conn: c, Create: true, Cache: cache}))
	b := loaded(t, start(t, kv.Config{Conn: c}))
	id, add := user("alice")
	next := change(t, a, add)
	if rec, ok := next.LookupKey(directory.DigestOf("alice")); !ok || rec.User.Name != "alice" || rec.User.Revision == 0 {
		t.Fatalf("%+v", rec)
	}
	callouttest.Eventually(t, "it is in force on the other", func() bool { _, ok := b.Snapshot().User("alice"); return ok })
	_, err := b.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.UserKey(uuid.New()), &directory.User{Name: "alice"}), nil
	})
	var problems directory.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("a second alice: %v", err)
	}
	gone := change(t, b, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return s.RemoveUser(id), nil })
	if gone.Size() != (directory.Size{}) {
		t.Errorf("%+v", gone.Size())
	}
	callouttest.Eventually(t, "it is gone on the first", func() bool { _, ok := a.Snapshot().User("alice"); return !ok })
	for i := range 5 {
		_, add := user(fmt.Sprintf("user-%d", i))
		change(t, []*kv.Store{a, b}[i%2], add)
	}
	callouttest.Eventually(t, "both have five", func() bool { return a.Snapshot().Size().Users == 5 && b.Snapshot().Size().Users == 5 })
}

// A change whose context has ended is not sent.
func TestCancelledChange(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true}))
	sub, err := c.SubscribeSync("$KV.usher.>")
	callouttest.Must(t, err)
	ctx, done := context.WithCancel(t.Context())
	done()
	for range 20 {
		_, f := user("ada")
		if _, err := s.Change(ctx, f); !errors.Is(err, kv.ErrUnavailable) {
			t.Error(err)
		}
	}
	callouttest.Must(t, c.Flush())
	if n, _, _ := sub.Pending(); n > 0 {
		t.Errorf("%d messages", n)
	}
}

// A change fails if the bucket is restored to an older state while the change is under
// way: its revision will never arrive.
func TestChangeWhileRestored(t *testing.T) {
	t.Parallel()
	backup := storeDir(t)
	n := startNode(t)
	s := loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true}))
	add(t, s, "ada")
	n.stop()
	callouttest.Must(t, os.CopyFS(backup, os.DirFS(n.opts.StoreDir)))
	n.start(t)
	add(t, s, "bob", "cyd")
	_, f := user("dan")
	_, err := s.Change(t.Context(), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
		if has(now, "ada", "bob", "cyd") {
			restore(t, n, backup)
			callouttest.Eventually(t, "the older one is in use", func() bool { return has(s.Snapshot(), "ada") })
		}
		return f(now)
	})
	if !errors.Is(err, kv.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	add(t, s, "dan")
}
