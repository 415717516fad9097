package kv_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"usher/callouttest"
	"usher/directory"
	"usher/directory/kv"
)

func TestChange(t *testing.T) {
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
	_, err := b.Change(t.Context(), func(*directory.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.UserKey(uuid.New()), &directory.User{Name: "alice"}), nil
	})
	var problems directory.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("a second alice: %v", err)
	}
	gone := change(t, b, func(s *directory.Snapshot) ([]directory.Entry, error) { return s.RemoveUser(id), nil })
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
