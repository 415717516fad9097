package snapshot_test

import (
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// An unreadable entry grants nothing and does not affect other entries.
func TestUnreadable(t *testing.T) {
	ada, bob, shop := uuid.New(), uuid.New(), uuid.New()
	everything := []directory.Entry{
		{Key: directory.UserKey(ada), Value: &directory.User{Name: "ada"}},
		{Key: directory.KeyKey(ada, "default"), Value: &directory.Key{Digest: directory.DigestOf("ada")}},
		{Key: directory.KeyKey(ada, "second"), Value: &directory.Key{Digest: directory.DigestOf("ada 2")}},
		{Key: directory.UserKey(bob), Value: &directory.User{Name: "bob"}},
		{Key: directory.KeyKey(bob, "default"), Value: &directory.Key{Digest: directory.DigestOf("bob")}},
		{Key: directory.ProjectKey(shop), Value: &directory.Project{Name: "shop", Account: "APP"}},
		{Key: directory.MemberKey(shop, ada), Value: &directory.Member{Roles: []directory.Role{directory.RolePublisher}}},
		{Key: directory.ResourceKey(directory.KindTopic, shop, "orders"), Value: &directory.Topic{}},
		{Key: directory.ResourceKey(directory.KindTopicACL, shop, "orders"), Value: &directory.ACL{Users: []uuid.UUID{ada}}},
	}
	const known, unknown, undecided = "known", "unknown", "undecided"
	key := func(s *snapshot.Snapshot, text string) string {
		d := directory.DigestOf(text)
		if _, ok := s.LookupKey(d); ok {
			return known
		}
		if s.Undecided(d) {
			return undecided
		}
		return unknown
	}
	topics := func(s *snapshot.Snapshot) (n int) {
		m, _ := s.Member("shop", "ada")
		return len(m.Topics)
	}
	tests := map[string]struct {
		broken                 int // which of the above
		ada, ada2, bob, nobody string
		topics                 int
	}{
		"none":         {-1, known, known, known, unknown, 1},
		"a user":       {0, undecided, undecided, known, unknown, 0},
		"a key":        {1, undecided, known, known, undecided, 1},
		"another user": {3, known, known, undecided, unknown, 1},
		"a project":    {5, known, known, known, unknown, 0},
		"a member":     {6, known, known, known, unknown, 0},
		"a topic":      {7, known, known, known, unknown, 0},
		"an ACL":       {8, known, known, known, unknown, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			is := func(s *snapshot.Snapshot, ada, ada2, bob, nobody string, n int) {
				t.Helper()
				for text, want := range map[string]string{"ada": ada, "ada 2": ada2, "bob": bob, "nobody": nobody} {
					if got := key(s, text); got != want {
						t.Errorf("the key of %s is %s, want %s", text, got, want)
					}
				}
				if got := topics(s); got != n {
					t.Errorf("ada has %d topics, want %d", got, n)
				}
			}
			s, _, problems := snapshot.Empty().Apply(everything)
			if problems != nil {
				t.Fatal(problems)
			}
			is(s, known, known, known, unknown, 1)
			if tt.broken < 0 {
				return
			}
			e := everything[tt.broken]
			e.Value, e.Revision = &directory.Unreadable{}, 7
			broken, _, problems := s.Apply([]directory.Entry{e})
			if problems != nil {
				t.Fatal(problems)
			}
			is(broken, tt.ada, tt.ada2, tt.bob, tt.nobody, tt.topics)
			is(s, known, known, known, unknown, 1)

			// It is kept with the rest, and mended by what can be read.
			b, found := snapshot.NewBuilder(), false
			for e := range broken.Entries() {
				if _, bad := e.Value.(*directory.Unreadable); bad {
					found = e.Key == everything[tt.broken].Key && e.Revision == 7
				}
				b.Add(&e)
			}
			if !found {
				t.Error("the entry is not kept")
			}
			again, _ := b.Snapshot()
			is(again, tt.ada, tt.ada2, tt.bob, tt.nobody, tt.topics)
			mended, _, _ := again.Apply(everything[tt.broken : tt.broken+1])
			is(mended, known, known, known, unknown, 1)

			if _, err := s.Try([]directory.Entry{e}); err == nil {
				t.Error("a change writes something that cannot be read")
			}
		})
	}
}

// While an entry is unreadable, no other entry can get a name that it may have.
func TestNameOfUnreadable(t *testing.T) {
	user := func(name string) *directory.User { return &directory.User{Name: name} }
	project := func(name string) *directory.Project { return &directory.Project{Name: name, Account: "A"} }
	s, _, _ := snapshot.Empty().Apply([]directory.Entry{
		set(directory.UserKey(pia), user("pia")), set(directory.UserKey(carl), user("carl")),
		set(directory.ProjectKey(shop), project("shop")), set(directory.ProjectKey(lab), project("lab")),
	})
	bad := []directory.Entry{set(directory.UserKey(pia), &directory.Unreadable{}), set(directory.ProjectKey(shop), &directory.Unreadable{})}
	both, _, _ := s.Apply(bad)
	onlyUser, _, _ := s.Apply(bad[:1])
	onlyProject, _, _ := s.Apply(bad[1:])
	for name, tt := range map[string]struct {
		in *snapshot.Snapshot
		e  directory.Entry
		ok bool
	}{
		"its name":                         {onlyUser, set(directory.UserKey(none), user("pia")), false},
		"another, which may be its own":    {onlyUser, set(directory.UserKey(none), user("zoe")), false},
		"a rename":                         {onlyUser, set(directory.UserKey(carl), user("pia")), false},
		"an edit":                          {onlyUser, set(directory.UserKey(carl), &directory.User{Name: "carl", Disabled: true}), true},
		"a removal":                        {onlyUser, unset(directory.UserKey(carl)), true},
		"it is mended":                     {onlyUser, set(directory.UserKey(pia), user("pia")), true},
		"it is removed":                    {onlyUser, unset(directory.UserKey(pia)), true},
		"a project":                        {onlyUser, set(directory.ProjectKey(moon), project("moon")), true},
		"a user, of a project":             {onlyProject, set(directory.UserKey(none), user("zoe")), true},
		"its name, of a project":           {onlyProject, set(directory.ProjectKey(moon), project("shop")), false},
		"another name, of a project":       {onlyProject, set(directory.ProjectKey(moon), project("moon")), false},
		"a project is renamed":             {onlyProject, set(directory.ProjectKey(lab), project("shop")), false},
		"a project moves":                  {onlyProject, set(directory.ProjectKey(lab), &directory.Project{Name: "lab", Account: "B"}), true},
		"one of two is mended":             {both, set(directory.ProjectKey(shop), project("shop")), true},
		"a user, while both kinds are bad": {both, set(directory.UserKey(none), user("zoe")), false},
	} {
		if _, err := tt.in.Try([]directory.Entry{tt.e}); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The facts of a user are undecided while an entry that could change them is unreadable.
// Other users are not affected.
func TestFactsUndecided(t *testing.T) {
	member := &directory.Member{Roles: directory.Roles()}
	s, _, _ := snapshot.Empty().Apply([]directory.Entry{
		set(directory.UserKey(pia), &directory.User{Name: "pia"}), set(directory.UserKey(carl), &directory.User{Name: "carl"}),
		set(directory.ProjectKey(shop), &directory.Project{Name: "shop", Account: "A"}), set(directory.ProjectKey(lab), &directory.Project{Name: "lab", Account: "B"}),
		set(directory.MemberKey(shop, pia), member), set(directory.MemberKey(lab, pia), member), set(directory.MemberKey(lab, carl), member),
		set(of(topicKind, shop, "t"), &directory.Topic{}), set(of(topicACL, shop, "t"), open(pia)),
	})
	for _, tt := range []struct {
		bad                        directory.EntryKey
		pia, piaShop, piaLab, carl bool
	}{
		{directory.ProjectKey(shop), true, true, false, false},
		{directory.MemberKey(shop, pia), true, true, false, false},
		{directory.MemberKey(shop, carl), false, false, false, true},
		{of(topicKind, shop, "t"), true, true, false, false},
		{of(topicACL, shop, "t"), true, true, false, false},
		{of(topicKind, lab, "t"), true, false, true, true},
		{of(topicKind, moon, "t"), false, false, false, false},
		{directory.KeyKey(pia, "k"), false, false, false, false},
	} {
		now, _, _ := s.Apply([]directory.Entry{set(tt.bad, &directory.Unreadable{})})
		mended, _, _ := now.Apply([]directory.Entry{unset(tt.bad)})
		for who, want := range map[[2]string]bool{{"pia"}: tt.pia, {"pia", "shop"}: tt.piaShop, {"pia", "lab"}: tt.piaLab, {"carl"}: tt.carl} {
			if f, _ := now.Facts(who[0], who[1]); f.Undecided != want {
				t.Errorf("%s: %v undecided: %v", tt.bad, who, f.Undecided)
			}
			if f, _ := mended.Facts(who[0], who[1]); f.Undecided {
				t.Errorf("%s is mended: %v", tt.bad, who)
			}
		}
	}
}
