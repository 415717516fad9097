package kv_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// Entries that an interrupted removal has left behind are removed when two sweeps have
// seen them. Entries of existing, conflicting and unreadable users and projects stay.
func TestSweep(t *testing.T) {
	c := jetStream(t)
	ctx, cut := context.WithCancel(t.Context())
	var armed atomic.Bool
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true, OnChange: func(kv.Changed) {
		if armed.Load() {
			cut()
		}
	}}))
	project, bad := uuid.New(), uuid.New()
	put := func(k directory.EntryKey, v directory.Value) directory.Entry {
		return directory.Entry{Key: k, Value: v}
	}
	change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		all := append(member("ada")[:2], put(directory.ProjectKey(project), &directory.Project{Name: "big", Account: "APP"}),
			put(directory.ProjectKey(bad), &directory.Project{Name: "bad", Account: "APP"}),
			put(directory.ResourceKey(directory.KindTopic, bad, "t"), &directory.Topic{}))
		for i := range 2500 {
			all = append(all, put(directory.ResourceKey(directory.KindTopic, project, fmt.Sprint("t", i)), &directory.Topic{}))
		}
		return all, nil
	})
	write(t, c, directory.ProjectKey(bad).String(), "x")
	write(t, c, directory.KeyKey(uuid.New(), "lost").String(), `{"v":1,"value":{"digest":"`+directory.DigestOf("lost").String()+`"}}`)
	callouttest.Eventually(t, "the entries are applied", func() bool { return s.Snapshot().Undecided(directory.DigestOf("lost")) })
	armed.Store(true)
	if _, err := s.Change(ctx, func(now *snapshot.Snapshot) ([]directory.Entry, error) { return now.RemoveProject(project), nil }); err == nil {
		t.Fatal("the removal was not cut")
	}
	add(t, s, "bob") // whatever was on its way of the removal has come by then, or never comes
	count := func() int { return len(slices.Collect(s.Snapshot().Entries())) }
	before := count()
	seen := kv.Sweep(s, t.Context(), nil)
	if len(seen) != 2 || count() != before {
		t.Errorf("seen at first: %v; entries: %d, were %d", seen, count(), before)
	}
	if seen = kv.Sweep(s, t.Context(), seen); len(seen) != 0 {
		t.Errorf("left: %v", seen)
	}
	snapshot := s.Snapshot()
	if want := 2 + 2 + 2; count() != want {
		t.Errorf("%d entries, want %d", count(), want)
	}
	if !has(snapshot, "ada", "bob") || snapshot.Undecided(directory.DigestOf("lost")) {
		t.Error("ada or bob is gone, or the lost key is not")
	}
}
