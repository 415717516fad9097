package kv_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// Entries that an interrupted removal has left behind are removed when two sweeps have
// seen them. Entries of existing, conflicting and unreadable users and projects stay.
func TestSweep(t *testing.T) {
	t.Parallel()
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

// Bans are removed ten minutes after their end, and no others.
func TestSweepBans(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	clock := callouttest.Clock{}
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true, Now: clock.Now}))
	change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		var all []directory.Entry
		for i, hours := range []int{1, 2} {
			all = append(all, directory.Entry{Key: directory.BanKey(fmt.Sprint("b", hours)), Value: &directory.Ban{
				Target: directory.BanTarget{MQTTClientID: fmt.Sprint("device", i)}, Reason: "r", Until: clock.Now().Add(time.Duration(hours) * time.Hour),
			}})
		}
		return all, nil
	})
	for _, tt := range []struct {
		after time.Duration
		left  int
	}{{time.Hour + time.Minute, 2}, {10 * time.Minute, 1}, {time.Hour, 0}} {
		clock.Advance(tt.after)
		kv.SweepBans(s, t.Context())
		if n := s.Snapshot().Bans().Len(); n != tt.left {
			t.Errorf("after %v more: %d bans, want %d", tt.after, n, tt.left)
		}
	}
}

// A replica is told whom a change of bans concerns.
func TestBansConcern(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	changes := make(chan kv.Changed, 100)
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true, OnChange: func(c kv.Changed) { changes <- c }}))
	change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return append(member("ada")[:2], member("bob")[:2]...), nil
	})
	ada := directory.IDOf(directory.KindUser, "ada")
	for name, tt := range map[string]struct {
		target    directory.BanTarget
		everybody bool
	}{
		"user": {directory.BanTarget{User: ada}, false}, "key": {directory.BanTarget{User: ada, Key: "default"}, false},
		"digest": {directory.BanTarget{Digest: directory.DigestOf("ada")}, false}, "other digest": {directory.BanTarget{Digest: directory.DigestOf("x")}, true},
		"network": {directory.BanTarget{Network: netip.MustParsePrefix("10.0.0.0/8")}, true},
	} {
		for _, v := range []directory.Value{&directory.Ban{Target: tt.target, Reason: "r", Until: time.Now().Add(time.Hour)}, nil} {
			for len(changes) > 0 {
				<-changes
			}
			change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
				return []directory.Entry{{Key: directory.BanKey("b"), Value: v}}, nil
			})
			got := <-changes
			if got.Everybody != tt.everybody || !tt.everybody && !slices.Equal(got.Users, []uuid.UUID{ada}) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}
