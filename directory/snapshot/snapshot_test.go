package snapshot_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
)

func newSnapshot(tb testing.TB, r directory.Records) *snapshot.Snapshot {
	tb.Helper()
	s, err := snapshot.New(r)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func factsText(f *directory.Facts) string {
	var b strings.Builder
	for _, m := range f.Memberships {
		fmt.Fprintf(&b, "%s %v topics", m.Project.Name, m.Roles)
		for _, topic := range m.Topics {
			b.WriteString(" " + topic.Subject)
		}
		b.WriteString(" subs")
		for _, s := range m.Subs {
			b.WriteString(" " + s.Name)
		}
		b.WriteString("; ")
	}
	return b.String()
}

func TestFacts(t *testing.T) {
	for _, reversed := range []bool{false, true} {
		r := good()
		p := &r.Projects[0]
		p.Topics[0].ACL = []string{"carl"}
		p.Subscriptions[1].ACL = []string{"carl"}
		if reversed {
			slices.Reverse(r.Users)
			slices.Reverse(r.Projects)
			for i := range r.Projects {
				slices.Reverse(r.Projects[i].Topics)
				slices.Reverse(r.Projects[i].Subscriptions)
				slices.Reverse(r.Projects[i].Members)
			}
		}
		s := newSnapshot(t, r)
		for user, want := range map[string]string{
			"pia":  "lab [project_admin] topics subs; shop [publisher] topics shop.orders subs; ",
			"carl": "shop [consumer publisher] topics shop.orders shop.returns subs audit billing; ",
		} {
			f, ok := s.Facts(user, "")
			if !ok || f.User.Name != user || f.Selected != nil {
				t.Errorf("%s: %v, %+v", user, ok, f)
			}
			if got := factsText(&f); got != want {
				t.Errorf("%s: got %s, want %s", user, got, want)
			}
		}
	}
}

func TestSelected(t *testing.T) {
	s := newSnapshot(t, good())
	for project, want := range map[string]string{"": "", "shop": "APP", "moon": "OTHER", "none": "", "*": ""} {
		f, ok := s.Facts("pia", project)
		got := ""
		if f.Selected != nil {
			got = f.Selected.Account
		}
		if !ok || got != want {
			t.Errorf("%q: got account %q, want %q", project, got, want)
		}
	}
	if f, ok := s.Facts("nobody", "shop"); ok || f.User != nil {
		t.Errorf("got %+v", f)
	}
}

func TestServiceRoles(t *testing.T) {
	s := newSnapshot(t, good())
	pia, _ := s.Facts("pia", "")
	if !pia.HasServiceRole(directory.ServiceRoleIngest) || pia.HasServiceRole(directory.ServiceRoleAdmin) {
		t.Error("pia's service roles are not hers")
	}
	if (&directory.Facts{}).HasServiceRole(directory.ServiceRoleAdmin) {
		t.Error("nobody is service admin")
	}
}

func TestLookupKey(t *testing.T) {
	s := newSnapshot(t, good())
	for key, want := range map[string]string{
		"pia-1": "pia laptop", "pia-2": "pia " + directory.DigestOf("pia-2").KeyID(), "carl": "carl " + directory.DigestOf("carl").KeyID(),
	} {
		rec, ok := s.LookupKey(directory.DigestOf(key))
		if got := rec.User.Name + " " + rec.Key.ID; !ok || got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
	for _, key := range []string{"", "other", directory.DigestOf("carl").String()} {
		if _, ok := s.LookupKey(directory.DigestOf(key)); ok {
			t.Errorf("%q is a key", key)
		}
	}
	if id := directory.DigestOf("carl").KeyID(); len(id) != 12 || !strings.Contains(directory.DigestOf("carl").String(), ":"+id) {
		t.Errorf("key id %s of %s", id, directory.DigestOf("carl"))
	}
}

func TestWhole(t *testing.T) {
	r := good()
	r.Users = append(r.Users, directory.User{Name: "abe", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleIngest}})
	s := newSnapshot(t, r)
	if got, want := s.Size(), (directory.Size{Users: 3, Keys: 3, Projects: 3, Topics: 3, Subscriptions: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var names []string
	for p := range s.Projects() {
		names = append(names, p.Name+" in "+p.Account)
	}
	slices.Sort(names)
	if want := []string{"lab in LAB", "moon in OTHER", "shop in APP"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if name, ok := s.FirstWithServiceRole(directory.ServiceRoleIngest); !ok || name != "abe" {
		t.Errorf("the first with ingest is %q", name)
	}
	if name, ok := s.FirstWithServiceRole(directory.ServiceRoleAdmin); ok {
		t.Errorf("%q is service admin", name)
	}
}

// large returns n users in projects of 100 members; the user "me" is in two of them.
func large(tb testing.TB, n int) *snapshot.Snapshot {
	tb.Helper()
	r := directory.Records{Users: []directory.User{{Name: "me", Keys: []directory.Key{{Digest: directory.DigestOf("me")}}}}}
	for i := range n {
		name := fmt.Sprintf("user%d", i)
		r.Users = append(r.Users, directory.User{Name: name, Keys: []directory.Key{{Digest: directory.DigestOf(name)}}})
		if i%100 == 0 {
			r.Projects = append(r.Projects, directory.Project{
				Name: fmt.Sprintf("project%d", i/100), Account: "APP", Topics: []directory.Topic{{Name: "t"}},
				Subscriptions: []directory.Subscription{{Name: "s", Topic: "t"}},
			})
		}
		p := &r.Projects[i/100]
		p.Members = append(p.Members, directory.Member{User: name, Roles: []directory.Role{directory.RolePublisher}})
		p.Topics[0].ACL = append(p.Topics[0].ACL, name)
	}
	for i := range 2 {
		p := &r.Projects[i]
		p.Members = append(p.Members, directory.Member{User: "me", Roles: []directory.Role{directory.RolePublisher}})
		p.Topics[0].ACL = append(p.Topics[0].ACL, "me")
	}
	return newSnapshot(tb, r)
}

// The cost of a lookup does not depend on the size of the directory: it allocates only the
// list of the user's memberships.
func TestCostOfALookup(t *testing.T) {
	for _, n := range []int{1_000, 100_000} {
		s, digest := large(t, n), directory.DigestOf("me")
		if got := s.Size().Users; got != n+1 {
			t.Fatalf("%d users", got)
		}
		allocs := testing.AllocsPerRun(100, func() {
			if _, ok := s.LookupKey(digest); !ok {
				t.Error("the key is gone")
			}
			if f, ok := s.Facts("me", "project1"); !ok || len(f.Memberships) != 2 || len(f.Memberships[0].Topics) != 1 || f.Selected == nil {
				t.Errorf("got %d memberships", len(f.Memberships))
			}
		})
		if allocs > 1 {
			t.Errorf("with %d users a look-up allocates %v times", n, allocs)
		}
	}
}

// Readers need no lock. The race detector checks that.
func TestConcurrentReaders(t *testing.T) {
	s := newSnapshot(t, good())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				f, _ := s.Facts("carl", "shop")
				if factsText(&f) == "" || s.Size().Keys != 3 {
					t.Error("the snapshot has changed")
					return
				}
				s.LookupKey(directory.DigestOf("carl"))
			}
		})
	}
	wg.Wait()
}
