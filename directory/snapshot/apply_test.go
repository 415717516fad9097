package snapshot_test

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: has %s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: lacks %s", what, line)
		}
	}
	t.FailNow()
}

// shuffled returns the last entries of all keys that have changed since a revision, in
// random order, as a replica reads them after an interruption.
func (m *model) shuffled(since uint64) []directory.Entry {
	var all []directory.Entry
	for _, e := range m.entries {
		if e.Revision > since {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(x, y directory.Entry) int { return int(x.Revision) - int(y.Revision) })
	m.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// inChunks applies entries in chunks of random size.
func (m *model) inChunks(s *snapshot.Snapshot, entries []directory.Entry) *snapshot.Snapshot {
	for len(entries) > 0 {
		n := 1 + m.roll(min(len(entries), 1+m.roll(20)))
		s, _, _ = s.Apply(entries[:n])
		entries = entries[n:]
		if _, err := snapshot.New(s.Records()); err != nil { // whatever is missing or too much
			m.tb.Fatalf("what is shown contradicts itself: %v", err)
		}
		describe(m.tb, s)
	}
	return s
}

// Entries lead to the snapshot of the records, in any order and in chunks of any size. Old
// snapshots do not change.
func TestApplyInAnyOrder(t *testing.T) {
	type moment struct {
		snapshot *snapshot.Snapshot
		revision uint64
		says     []string
	}
	refused, made := 0, 0
	for seed := range uint64(6) {
		m := newModel(t, seed)
		var moments []moment
		for n := range 600 {
			m.step()
			if n%20 > 0 {
				continue
			}
			says := describe(t, m.now)
			moments = append(moments, moment{m.now, m.revision, says})
			same(t, "from nothing", describe(t, m.inChunks(snapshot.Empty(), m.shuffled(0))), says)
			old := moments[m.roll(len(moments))]
			same(t, "from an earlier one", describe(t, m.inChunks(old.snapshot, m.shuffled(old.revision))), says)

			b := snapshot.NewBuilder()
			for e := range m.now.Entries() {
				b.Add(&e)
			}
			built, problems := b.Snapshot()
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			same(t, "from its entries", describe(t, built), says)
			checked, err := snapshot.New(m.now.Records())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := built.Stored(), m.now.Stored(); got != want {
				t.Fatalf("holds %+v, built at once %+v", want, got)
			}
			same(t, "from its records", withoutRevisions(t, checked), withoutRevisions(t, m.now))
		}
		for _, old := range moments {
			same(t, "later", describe(t, old.snapshot), old.says)
		}
		refused, made = refused+m.refused, made+m.made
	}
	if refused < 100 || made < 1000 {
		t.Errorf("%d changes were made and %d refused", made, refused)
	}
}

// withoutRevisions describes a snapshot without revisions, which records do not have.
func withoutRevisions(t *testing.T, s *snapshot.Snapshot) []string {
	t.Helper()
	b := snapshot.NewBuilder()
	for e := range s.Entries() {
		if acl, ok := e.Value.(*directory.ACL); ok && len(acl.Users) == 0 {
			continue // of records, it is as if there were none
		}
		e.Revision = 0
		b.Add(&e)
	}
	plain, problems := b.Snapshot()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return describe(t, plain)
}

// Apply returns every user whose grant has changed.
func TestApplyNamesUsers(t *testing.T) {
	for seed := range uint64(4) {
		m := newModel(t, seed)
		for range 400 {
			before, revision := m.now, m.revision
			m.step()
			_, named, _ := before.Apply(m.shuffled(revision))
			for _, s := range []*snapshot.Snapshot{before, m.now} {
				for u := range s.Users() {
					if !slices.Contains(named, u.ID) && !slices.Equal(grantOf(t, before, u.ID), grantOf(t, m.now, u.ID)) {
						t.Fatalf("%s is not named:\n%v\n%v", u.Name, grantOf(t, before, u.ID), grantOf(t, m.now, u.ID))
					}
				}
			}
		}
	}
}

// grantOf describes everything on which a user's grant depends.
func grantOf(t *testing.T, s *snapshot.Snapshot, id uuid.UUID) []string {
	t.Helper()
	u, ok := s.UserByID(id)
	if !ok {
		return nil
	}
	lines := []string{u.Name}
	add := func(_ string, args ...any) { lines = append(lines, args[0].(string)) }
	f, _ := s.Facts(u.Name, "")
	describeFacts(t, s, u, add)
	for _, m := range f.Memberships {
		for _, x := range m.Project.Topics {
			lines = append(lines, x.Subject)
		}
	}
	return lines
}

// When every entry is removed, the snapshot stores nothing.
func TestRemoveEverything(t *testing.T) {
	m := newModel(t, 3)
	for range 500 {
		m.step()
	}
	for _, u := range m.users() {
		if !m.change(m.now.RemoveUser(u.ID)) {
			t.Errorf("%s cannot be removed", u.Name)
		}
	}
	for _, p := range m.projects() {
		if !m.change(m.now.RemoveProject(p.ID)) {
			t.Errorf("%s cannot be removed", p.Name)
		}
	}
	if got := m.now.Stored(); got != (snapshot.Stored{}) {
		t.Errorf("left: %+v", got)
	}
}

// Two drafts never append to the same list.
func TestDraftsShareNoLists(t *testing.T) {
	r := directory.Records{
		Users:    []directory.User{{Name: "u", Keys: []directory.Key{{Digest: digest(0)}, {Digest: digest(1)}, {Digest: digest(2)}}}},
		Projects: []directory.Project{{Name: "p", Account: "A", Members: []directory.Member{{User: "u", Roles: directory.Roles()}}}},
	}
	for _, name := range []string{"a", "b", "c"} {
		r.Projects[0].Topics = append(r.Projects[0].Topics, directory.Topic{Name: name, ACL: []string{"u"}})
		r.Projects[0].Subscriptions = append(r.Projects[0].Subscriptions, directory.Subscription{Name: name, Topic: "a", ACL: []string{"u"}})
	}
	base := newSnapshot(t, r)
	says := describe(t, base)
	user, project := directory.IDOf(directory.KindUser, "u"), directory.IDOf(directory.KindProject, "p")
	add := func(name string) (*snapshot.Snapshot, []string) {
		acl := &directory.ACL{Users: []uuid.UUID{user}}
		s, err := base.Try([]directory.Entry{
			{Key: directory.ResourceKey(directory.KindTopic, project, name), Value: &directory.Topic{}},
			{Key: directory.ResourceKey(directory.KindTopicACL, project, name), Value: acl},
			{Key: directory.ResourceKey(directory.KindSubscription, project, name), Value: &directory.Subscription{Topic: name}},
			{Key: directory.ResourceKey(directory.KindSubscriptionACL, project, name), Value: acl},
			{Key: directory.KeyKey(user, name), Value: &directory.Key{Digest: directory.DigestOf(name)}},
			{Key: directory.UserKey(directory.IDOf(directory.KindUser, name)), Value: &directory.User{Name: name}},
			{Key: directory.MemberKey(project, directory.IDOf(directory.KindUser, name)), Value: &directory.Member{Roles: directory.Roles()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s, describe(t, s)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"x", "y", "z"} {
		wg.Go(func() {
			s, first := add(name)
			_, _ = add(name + "2")
			if !slices.Equal(describe(t, s), first) {
				t.Errorf("%s is not as it was", name)
			}
		})
	}
	wg.Wait()
	same(t, "afterwards", describe(t, base), says)
}

// Drafts of one snapshot affect neither each other nor the snapshot.
func TestDraftsOfOneSnapshot(t *testing.T) {
	m := newModel(t, 1)
	for range 400 {
		m.step()
	}
	base, says := m.now, describe(t, m.now)
	var changes [][]directory.Entry
	for range 40 { // changes of base, that know nothing of each other
		other := *m
		other.entries = maps.Clone(m.entries)
		for other.made < m.made+1+m.roll(3) {
			other.step()
		}
		changes = append(changes, other.shuffled(m.revision))
	}
	want := make([][]string, len(changes))
	for i, entries := range changes {
		s, _, _ := base.Apply(entries)
		want[i] = describe(t, s)
	}
	var wg sync.WaitGroup
	for i, entries := range changes {
		wg.Go(func() {
			s, _, _ := base.Apply(entries)
			if got := describe(t, s); !slices.Equal(got, want[i]) {
				t.Errorf("change %d makes something else beside others", i)
			}
			_, _ = base.Try(slices.Clone(entries))
			if got := describe(t, base); !slices.Equal(got, says) {
				t.Errorf("change %d changes what it began with", i)
			}
		})
	}
	wg.Wait()
	same(t, "afterwards", describe(t, base), says)
}
