package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// Three replicas use a cluster of three servers.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	var replicas [3]*replica
	heard := make(chan struct{}, 1)
	for i := range replicas {
		replicas[i] = c.replica(t, i)
		replicas[i].hear = func(kv.Changed) {
			select {
			case heard <- struct{}{}:
			default:
			}
		}
		replicas[i].start()
		t.Cleanup(func() { replicas[i].stop() })
	}
	within(t, time.Minute, "the bucket is made, and is loaded everywhere", func() bool {
		for _, r := range replicas {
			if r.store.Load().Snapshot() == nil {
				return false
			}
		}
		return c.whole("usher")
	})
	setUp(t, replicas[0].store.Load())
	t.Run("Follow", func(t *testing.T) { follow(t, &replicas, heard) })
	t.Run("Serial", func(t *testing.T) { serial(t, &replicas) })
	t.Run("LeaderChanges", func(t *testing.T) { leaderChanges(t, &replicas) })
	t.Run("Disturbed", func(t *testing.T) { disturb(t, c, &replicas) })
}

const steadyUsers = 20

func steady(i int) string { return fmt.Sprintf("steady-%d", i) }

func shop() uuid.UUID { return directory.IDOf(directory.KindProject, "shop") }

// setUp creates a project with a topic and users who may publish to it.
func setUp(tb testing.TB, s *kv.Store) {
	tb.Helper()
	change(tb, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		entries := []directory.Entry{
			{Key: directory.ProjectKey(shop()), Value: &directory.Project{Name: "shop", Account: "APP"}},
			{Key: directory.ResourceKey(directory.KindTopic, shop(), "orders"), Value: &directory.Topic{}},
		}
		acl := &directory.ACL{}
		for i := range steadyUsers {
			entries = append(entries, member(steady(i))...)
			acl.Users = append(acl.Users, directory.IDOf(directory.KindUser, steady(i)))
		}
		return append(entries, directory.Entry{Key: ordersACL(), Value: acl}), nil
	})
}

func ordersACL() directory.EntryKey {
	return directory.ResourceKey(directory.KindTopicACL, shop(), "orders")
}

// member returns a user with a key who may publish in the shop.
func member(name string) []directory.Entry {
	id := directory.IDOf(directory.KindUser, name)
	return []directory.Entry{
		{Key: directory.UserKey(id), Value: &directory.User{Name: name}},
		{Key: directory.KeyKey(id, "default"), Value: &directory.Key{Digest: directory.DigestOf(name)}},
		{Key: directory.MemberKey(shop(), id), Value: &directory.Member{Roles: []directory.Role{directory.RolePublisher}}},
	}
}

// aclWith returns the ACL of topic orders with one more user.
func aclWith(tb testing.TB, s *snapshot.Snapshot, name string) directory.Entry {
	tb.Helper()
	names, _, _ := s.ACL(directory.KindTopicACL, "shop", "orders")
	acl := &directory.ACL{}
	for _, name := range append(slices.Clone(names), name) {
		acl.Users = append(acl.Users, directory.IDOf(directory.KindUser, name))
	}
	return directory.Entry{Key: ordersACL(), Value: acl}
}

// follow measures how long changes of every kind take until all replicas use them.
func follow(t *testing.T, replicas *[3]*replica, heard <-chan struct{}) {
	t.Helper()
	const changes = 200
	took := make([]time.Duration, 0, changes)
	var user string
	for i := range changes {
		var f func(*snapshot.Snapshot) ([]directory.Entry, error)
		var inForce func(*snapshot.Snapshot) bool
		switch i % 5 {
		case 0:
			user = fmt.Sprintf("user-%d", i)
			f = func(*snapshot.Snapshot) ([]directory.Entry, error) { return member(user)[:1], nil }
			inForce = func(s *snapshot.Snapshot) bool { _, ok := s.User(user); return ok }
		case 1:
			f = func(*snapshot.Snapshot) ([]directory.Entry, error) { return member(user)[1:2], nil }
			inForce = func(s *snapshot.Snapshot) bool { _, ok := s.LookupKey(directory.DigestOf(user)); return ok }
		case 2:
			f = func(*snapshot.Snapshot) ([]directory.Entry, error) { return member(user)[2:], nil }
			inForce = func(s *snapshot.Snapshot) bool { _, ok := s.Member("shop", user); return ok }
		case 3:
			f = func(s *snapshot.Snapshot) ([]directory.Entry, error) {
				return []directory.Entry{aclWith(t, s, user)}, nil
			}
			inForce = func(s *snapshot.Snapshot) bool { m, _ := s.Member("shop", user); return len(m.Topics) == 1 }
		case 4:
			topic := fmt.Sprintf("topic-%d", i)
			f = func(*snapshot.Snapshot) ([]directory.Entry, error) {
				return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), topic), &directory.Topic{}), nil
			}
			inForce = func(s *snapshot.Snapshot) bool { _, ok := s.Topic("shop", topic); return ok }
		}
		start := time.Now()
		change(t, replicas[0].store.Load(), f)
		limit := time.NewTimer(20 * time.Second)
		for _, r := range replicas {
			for !inForce(r.store.Load().Snapshot()) {
				select {
				case <-heard:
				case <-limit.C:
					t.Fatalf("change %d is not in force everywhere", i)
				}
			}
		}
		limit.Stop()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	t.Logf("figures: %d changes, until in force on all three: p50 %s, p99 %s, longest %s", changes, took[changes/2], took[changes*99/100], took[changes-1])
}

var errConflict = errors.New("the ACL has changed")

// serial lets eight writers append to one ACL, 25 times each, with a precondition like
// If-Match: the ACL is still the one that they have read.
func serial(t *testing.T, replicas *[3]*replica) {
	t.Helper()
	const writers, each = 8, 25
	mark := func(w, i int) string { return fmt.Sprintf("mark-%d-%d", w, i) }
	change(t, replicas[0].store.Load(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		entries := []directory.Entry{{Key: ordersACL(), Value: &directory.ACL{}}}
		for w := range writers {
			for i := range each {
				entries = append(entries, member(mark(w, i))...)
			}
		}
		return entries, nil
	})
	within(t, 20*time.Second, "the members are everywhere", func() bool {
		for _, r := range replicas {
			if _, ok := r.store.Load().Snapshot().Member("shop", mark(writers-1, each-1)); !ok {
				return false
			}
		}
		return true
	})
	type won struct {
		prior uint64 // revision of the list that was read
		list  []string
	}
	var mu sync.Mutex
	var winners []won
	conflicts, unknown := 0, 0
	var all sync.WaitGroup
	for w := range writers {
		s := replicas[w%len(replicas)].store.Load()
		all.Go(func() {
			for i := range each {
				var unsure won // the change of which it was not known whether it was made
				for done := false; !done; {
					names, read, _ := s.Snapshot().ACL(directory.KindTopicACL, "shop", "orders")
					if slices.Contains(names, mark(w, i)) {
						mu.Lock()
						winners = append(winners, unsure)
						mu.Unlock()
						break
					}
					next := won{prior: read, list: append(slices.Clone(names), mark(w, i))}
					_, err := s.Change(t.Context(), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
						if _, revision, _ := now.ACL(directory.KindTopicACL, "shop", "orders"); revision != read {
							return nil, errConflict
						}
						acl := &directory.ACL{}
						for _, name := range next.list {
							acl.Users = append(acl.Users, directory.IDOf(directory.KindUser, name))
						}
						return directory.Put(ordersACL(), acl), nil
					})
					mu.Lock()
					switch {
					case err == nil:
						done = true
						winners = append(winners, next)
					case errors.Is(err, errConflict):
						conflicts++
					case errors.Is(err, kv.ErrUnavailable): // its answer was late, and others have written over it
						unsure = next
						unknown++
					default:
						t.Error(err)
						done = true
					}
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	// Each list is the one before with one more user, so their lengths give their order.
	slices.SortFunc(winners, func(x, y won) int { return len(x.list) - len(y.list) })
	var last won
	for n, w := range winners {
		if len(w.list) != n+1 || !slices.Equal(w.list[:n], last.list) {
			t.Fatalf("winner %d has %d marks, and does not extend its predecessor", n, len(w.list))
		}
		if n > 0 && w.prior <= last.prior {
			t.Fatalf("winner %d has read revision %d, its predecessor %d", n, w.prior, last.prior)
		}
		last = w
	}
	for _, r := range replicas {
		within(t, 20*time.Second, "the last list is everywhere", func() bool {
			names, _, _ := r.store.Load().Snapshot().ACL(directory.KindTopicACL, "shop", "orders")
			return slices.Equal(names, last.list)
		})
	}
	if len(winners) != writers*each {
		t.Errorf("%d of %d marks were put", len(winners), writers*each)
	}
	t.Logf("figures: %d writers put %d marks into one ACL: %d conflicts, %d times it was not known", writers, len(winners), conflicts, unknown)
	change(t, replicas[0].store.Load(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		acl := &directory.ACL{}
		for i := range steadyUsers {
			acl.Users = append(acl.Users, directory.IDOf(directory.KindUser, steady(i)))
		}
		return directory.Put(ordersACL(), acl), nil
	})
}

// leaderChanges commits large changes while the leader of the bucket steps down again and
// again. Each is committed as a whole and once, and Change reports that.
func leaderChanges(t *testing.T, replicas *[3]*replica) {
	t.Helper()
	const entries, steps = 200, 5
	var made atomic.Int64
	stepped := make(chan struct{})
	go func() {
		defer close(stepped)
		for range steps {
			ctx, done := context.WithTimeout(t.Context(), time.Second)
			_, _ = replicas[1].conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN.KV_usher", nil) // its answer may be lost
			done()
			from := made.Load()
			within(t, 30*time.Second, "changes are made again", func() bool { return made.Load() >= from+3 })
		}
	}()
	refused := 0
	for i, more := 0, true; more; i++ {
		select {
		case <-stepped:
			more = false
		default:
		}
		s := replicas[i%len(replicas)].store.Load()
		before := s.Status().Revision
		next, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
			var all []directory.Entry
			for n := range entries {
				all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("large-%d", n)), Value: &directory.Topic{Created: time.Unix(int64(i), 0).UTC()}})
			}
			return all, nil
		})
		switch {
		case errors.Is(err, kv.ErrUnavailable):
			refused++
			continue
		case err != nil:
			t.Fatal(err)
		}
		made.Add(1)
		first, _ := next.Topic("shop", "large-0")
		last, _ := next.Topic("shop", fmt.Sprintf("large-%d", entries-1))
		if last.Revision-first.Revision != entries-1 || !last.Created.Equal(time.Unix(int64(i), 0)) || first.Revision <= before {
			t.Errorf("change %d is not there as a whole: revisions %d to %d", i, first.Revision, last.Revision)
		}
	}
	t.Logf("figures: %d changes of %d entries were made and %d refused as unavailable while the leader stepped down %d times", made.Load(), entries, refused, steps)
}
