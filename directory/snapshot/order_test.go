package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// Replicas reach the same snapshot, whatever the order in which they receive entries, one
// by one or at once, every version or only the last one. Many entries compete for the same
// names and keys here.
func TestOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		id := func(n int) uuid.UUID { return uuid.UUID{byte(1 + r.IntN(n))} }
		one := func(prefix string, n int) string { return fmt.Sprint(prefix, r.IntN(n)) }
		s, last := snapshot.Empty(), map[directory.EntryKey]directory.Entry{}
		for revision := uint64(1); revision <= 60; revision++ {
			e := directory.Entry{Revision: revision}
			switch r.IntN(4) {
			case 0:
				e.Key, e.Value = directory.UserKey(id(4)), &directory.User{Name: one("u", 3)}
			case 1:
				e.Key, e.Value = directory.KeyKey(id(4), one("k", 2)), &directory.Key{Digest: digest(r.IntN(4))}
			case 2:
				e.Key, e.Value = directory.ProjectKey(id(3)), &directory.Project{Name: one("p", 2), Account: "A"}
			case 3:
				e.Key, e.Value = directory.MemberKey(id(3), id(4)), &directory.Member{Roles: directory.Roles()}
			}
			if r.IntN(5) == 0 {
				e.Value = nil
			}
			last[e.Key] = e
			s, _, _ = s.Apply([]directory.Entry{e})
		}
		want := describe(t, s)
		var all []directory.Entry
		for _, e := range last {
			all = append(all, e)
		}
		for range 5 {
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			at, _, _ := snapshot.Empty().Apply(all)
			same(t, fmt.Sprintf("seed %d, at once", seed), describe(t, at), want)
			at = snapshot.Empty()
			for i := range all {
				at, _, _ = at.Apply(all[i : i+1])
			}
			same(t, fmt.Sprintf("seed %d, one at a time", seed), describe(t, at), want)
			at, _, _ = snapshot.Empty().Apply(slices.Collect(s.Entries()))
			same(t, fmt.Sprintf("seed %d, as it was kept", seed), describe(t, at), want)
		}
	}
}

// A user keeps its name through edits, and a conflicting user does not get it by an edit.
func TestEditOfContested(t *testing.T) {
	first, second := directory.UserKey(pia), directory.UserKey(carl)
	s, _, _ := snapshot.Empty().Apply([]directory.Entry{set(second, &directory.User{Name: "x"})})
	s, users, problems := s.Apply([]directory.Entry{set(first, &directory.User{Name: "x"})})
	if len(problems) != 1 || problems[0].Path != second.String() || !slices.Contains(users, carl) {
		t.Errorf("%v, and %v are concerned", problems, users)
	}
	edited := &directory.User{Name: "x", Profile: &directory.Profile{Email: "x@example.org"}}
	if _, err := s.Try([]directory.Entry{set(first, edited)}); err != nil {
		t.Error(err)
	}
	if _, err := s.Try([]directory.Entry{set(second, edited)}); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("got %v", err)
	}
	s, _, _ = s.Apply([]directory.Entry{set(first, edited)})
	holds(t, s, []string{"x is 01"})

	// A change takes no name from another user, whatever its id.
	s, _, _ = snapshot.Empty().Apply([]directory.Entry{set(second, &directory.User{Name: "x"})})
	_, err := s.Try([]directory.Entry{set(first, &directory.User{Name: "x"})})
	if err == nil || !strings.Contains(err.Error(), first.String()+": ") {
		t.Errorf("got %v", err)
	}
}

// The cost of a change does not grow with the number of unreadable and conflicting
// entries.
func TestManyFaults(t *testing.T) {
	user := func(n int) directory.EntryKey {
		return directory.UserKey(directory.IDOf(directory.KindUser, fmt.Sprint(n)))
	}
	load := func(n int, v func() directory.Value) *snapshot.Snapshot {
		b := snapshot.NewBuilder()
		for i := range n {
			b.Add(&directory.Entry{Key: user(i), Revision: 1, Value: v()})
		}
		s, _ := b.Snapshot()
		return s
	}
	for name, v := range map[string]func() directory.Value{
		"unreadable": func() directory.Value { return &directory.Unreadable{} },
		"waiting":    func() directory.Value { return &directory.User{Name: "x"} },
	} {
		if few, many := allocated(func() { load(500, v) }), allocated(func() { load(4000, v) }); many > 20*few {
			t.Errorf("%s: %d bytes for 500, %d for 4000", name, few, many)
		}
		s := load(4000, v)
		if one := testing.AllocsPerRun(5, func() { _, _, _ = s.Apply([]directory.Entry{set(user(-1), &directory.User{Name: "y"})}) }); one > 300 {
			t.Errorf("%s: one change takes %.0f allocations", name, one)
		}
	}
}

// allocated returns the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
