package transfer

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

var now = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

func key(text string) directory.Key { return directory.Key{ID: text, Digest: directory.DigestOf(text)} }

const bcryptHash = "$2a$10$abcdefghijklmnopqrstuuqz5lPzXb6HZGcVcoeVZCBIpcsIFSCNe"

func password(hash string) directory.Key {
	return directory.Key{Other: &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: hash}}
}

func certificate(dn string) directory.Key {
	return directory.Key{Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: dn}}
}

// shop is a small directory with an administrator.
func shop() directory.Records {
	return directory.Records{
		Users: []directory.User{
			{Name: "root", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}, Keys: []directory.Key{key("root")}},
			{Name: "pia", Keys: []directory.Key{key("laptop"), key("phone"), password(bcryptHash), certificate("CN=pia")}, Profile: &directory.Profile{Email: "pia@shop.example"}},
			{Name: "carl", Keys: []directory.Key{key("carl")}},
		},
		Projects: []directory.Project{
			{
				Name: "shop", Account: "APP",
				Members: []directory.Member{
					{User: "pia", Roles: []directory.Role{directory.RolePublisher}},
					{User: "carl", Roles: []directory.Role{directory.RoleConsumer}},
				},
				Topics:        []directory.Topic{{Name: "orders", ACL: []string{"pia"}}, {Name: "returns"}},
				Subscriptions: []directory.Subscription{{Name: "billing", Topic: "orders", ACL: []string{"carl"}}},
			},
			{Name: "lab", Account: "LAB", Topics: []directory.Topic{{Name: "raw", Subject: "probe.raw"}}},
		},
	}
}

func newSnapshot(tb testing.TB, r directory.Records) *snapshot.Snapshot {
	tb.Helper()
	s, err := snapshot.New(r)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func only(r directory.Records, change func(*directory.Records)) directory.Records {
	change(&r)
	return r
}

func TestLines(t *testing.T) {
	merge, replace := false, true
	tests := []struct {
		name    string
		replace bool
		want    directory.Records
		lines   string
	}{
		{"the same again", replace, shop(), ""},
		{"the same again", merge, shop(), ""},
		{"nothing", merge, directory.Records{}, ""},
		{
			"somebody new", merge,
			directory.Records{Users: []directory.User{{Name: "ann", ServiceRoles: []directory.ServiceRole{"ingest"}, Keys: []directory.Key{key("a"), key("b")}}, {Name: "bob"}}},
			"+ user ann (2 keys, ingest)\n+ user bob",
		},
		{
			"another key, and what is not named stays", merge,
			directory.Records{Users: []directory.User{{Name: "pia", Disabled: true, Keys: []directory.Key{key("tablet"), {ID: "phone", Digest: directory.DigestOf("new phone")}}}}},
			"~ user pia: disabled; keys +tablet ~phone",
		},
		{
			"another key, and what is not named goes", replace,
			only(shop(), func(r *directory.Records) {
				r.Users[1] = directory.User{Name: "pia", Keys: []directory.Key{key("tablet"), {Digest: directory.DigestOf("phone")}}}
			}),
			"~ user pia: profile; keys +tablet -" + directory.CertificateDigest("CN=pia").KeyID() + " -laptop -password",
		},
		{
			"a key with another id", merge,
			directory.Records{Users: []directory.User{{Name: "carl", Keys: []directory.Key{{ID: "desk", Digest: directory.DigestOf("carl")}}}}},
			"~ user carl: keys +desk -carl",
		},
		{
			"keys of other kinds", merge,
			directory.Records{Users: []directory.User{{Name: "carl", Keys: []directory.Key{password("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hx2bF5nWp4VAYZ0iUMSXwkdqL6Jlo6RsRnhCZeC9Tqg"), certificate("CN=carl")}}}},
			"~ user carl: keys +password +" + directory.CertificateDigest("CN=carl").KeyID(),
		},
		{
			"another password", merge,
			directory.Records{Users: []directory.User{{Name: "pia", Keys: []directory.Key{password("$2a$04$abcdefghijklmnopqrstuuqz5lPzXb6HZGcVcoeVZCBIpcsIFSCNe")}}}},
			"~ user pia: keys ~password",
		},
		{
			"another name for a user and a project", merge,
			directory.Records{
				Users:    []directory.User{{ID: directory.IDOf(directory.KindUser, "pia"), Name: "maria"}},
				Projects: []directory.Project{{ID: directory.IDOf(directory.KindProject, "shop"), Name: "store", Account: "APP", Description: "what is sold"}},
			},
			"~ user maria: name pia → maria\n~ project store: name shop → store; description\n" +
				"~ topic store/orders: subject shop.orders → store.orders\n~ topic store/returns: subject shop.returns → store.returns",
		},
		{
			"roles and ACLs", merge,
			directory.Records{Projects: []directory.Project{{
				Name: "shop", Account: "APP",
				Members: []directory.Member{{User: "carl", Roles: []directory.Role{"consumer", "publisher"}}, {User: "root", Roles: []directory.Role{"project_admin"}}},
				Topics:  []directory.Topic{{Name: "orders", ACL: []string{"carl"}}, {Name: "prices", ACL: []string{"pia", "carl"}}},
			}}},
			"~ member shop/carl: roles +publisher\n+ member shop/root (project_admin)\n~ topic shop/orders: acl +carl -pia\n+ topic shop/prices (acl pia, carl)",
		},
		{
			"much goes", replace,
			directory.Records{Users: shop().Users[:2], Projects: []directory.Project{{
				Name: "shop", Account: "WEB", Members: []directory.Member{{User: "pia", Roles: []directory.Role{"publisher"}}},
				Topics: []directory.Topic{{Name: "returns", ACL: []string{"pia"}}}, Subscriptions: []directory.Subscription{{Name: "audit", Topic: "returns"}},
			}}},
			"- user carl (1 key)\n- project lab (1 topic)\n~ project shop: account APP → WEB\n- member shop/carl\n- topic shop/orders\n" +
				"~ topic shop/returns: acl +pia\n+ subscription shop/audit\n- subscription shop/billing",
		},
		{
			"a new project", merge,
			directory.Records{Projects: []directory.Project{{
				Name: "web", Account: "WEB", Members: []directory.Member{{User: "pia", Roles: []directory.Role{"publisher"}}}, Topics: []directory.Topic{{Name: "a"}, {Name: "b"}},
			}}},
			"+ project web (account WEB, 1 member, 2 topics)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			current := newSnapshot(t, shop())
			p, err := New(current, tt.want, Options{Replace: tt.replace, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(slices.Collect(p.Lines()), "\n"); got != tt.lines {
				t.Errorf("got\n%s\nwant\n%s", got, tt.lines)
			}
			if (p.Len() == 0) != (tt.lines == "") {
				t.Errorf("%d entries", p.Len())
			}
			s := &store{t: t, current: current}
			if _, err := Run(t.Context(), s, p, nil); err != nil {
				t.Fatal(err)
			}
			again, err := New(s.current, tt.want, Options{Replace: tt.replace, Now: now.Add(time.Hour)})
			if err != nil || again.Len() != 0 || again.Counts() != (Counts{}) {
				t.Errorf("run again: %v %s", err, strings.Join(slices.Collect(again.Lines()), "\n"))
			}
		})
	}
}

func TestProblems(t *testing.T) {
	other := uuid.UUID{7}
	tests := []struct {
		name    string
		replace bool
		want    directory.Records
		err     string
	}{
		{"no name", false, directory.Records{Users: []directory.User{{}}}, "users[0].name: user name is empty"},
		{"a member that is nobody", false, directory.Records{Projects: []directory.Project{{Name: "shop", Account: "APP", Members: []directory.Member{{User: "eve", Roles: []directory.Role{"publisher"}}}}}}, `projects[0].members[0].user: there is no user "eve"`},
		{
			"a member that goes", true,
			only(shop(), func(r *directory.Records) { r.Users = r.Users[:2] }),
			"projects[0].members[1].user: there is no user \"carl\"",
		},
		{
			"an ACL of one who is no member", false,
			directory.Records{Projects: []directory.Project{{Name: "shop", Account: "APP", Topics: []directory.Topic{{Name: "returns", ACL: []string{"root"}}}}}},
			`projects[0].topics[0].acl[0]: user "root" is not a member of project "shop"`,
		},
		{
			"a key of another user", false,
			directory.Records{Users: []directory.User{{Name: "bob"}, {Name: "ann", Keys: []directory.Key{key("x"), key("carl")}}}},
			"users[1].keys[1].digest: this key already belongs to another user",
		},
		{
			"a certificate of another user", false,
			directory.Records{Users: []directory.User{{Name: "ann", Keys: []directory.Key{key("x"), certificate("CN=pia")}}}},
			"users[0].certificates[0].subject: this certificate subject already belongs to another user",
		},
		{
			"a subject of another topic", false,
			directory.Records{Projects: []directory.Project{{Name: "shop", Account: "APP", Topics: []directory.Topic{{Name: "more", Subject: "shop.orders"}}}}},
			`projects[0].topics[1]: subject "shop.orders" is already that of projects[0].topics[0].subject in project "shop"`,
		},
		{
			"a name with another id", false,
			directory.Records{Users: []directory.User{{ID: other, Name: "carl"}}},
			`users[0].uuid: user "carl" already exists with another uuid`,
		},
		{
			"an id twice", false,
			directory.Records{Users: []directory.User{{ID: other, Name: "ann"}, {ID: other, Name: "bob"}}},
			"users[1].uuid: is already that of users[0]",
		},
		{"an account that is another's", false, directory.Records{Projects: []directory.Project{{Name: "new", Account: "LAB"}}}, `projects[0].account: account "LAB" belongs to another project, some of whose topics have subjects outside of it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(newSnapshot(t, shop()), tt.want, Options{Replace: tt.replace, Now: now})
			var problems directory.Problems
			if !errors.As(err, &problems) || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got %v, want %s", err, tt.err)
			}
		})
	}
}

// Attack: an import leaves one service_admin, whose key ends within the hour, and nobody can manage the directory then
// Held by: an import keeps a service_admin with a key that neither expires nor is bound to networks, by the rule of every other change
func TestLockout(t *testing.T) {
	admin := func(name string, k directory.Key) directory.User {
		return directory.User{Name: name, ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}, Keys: []directory.Key{k}}
	}
	disabled, expired, later, ending, bound := key("d"), key("e"), key("l"), key("f"), key("n")
	disabled.Disabled, expired.Expires, later.NotBefore = true, now, now.Add(1)
	ending.Expires, bound.Networks = now.Add(time.Hour), []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	off := admin("off", key("o"))
	off.Disabled = true
	refused := []directory.Records{
		{},
		{Users: []directory.User{{Name: "root", Keys: []directory.Key{key("root")}}}},
		{Users: []directory.User{admin("a", disabled), admin("b", expired), admin("c", later), off, {Name: "keyless", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}}}},
		{Users: []directory.User{admin("b", ending)}},
		{Users: []directory.User{admin("b", bound)}},
		{Users: []directory.User{admin("b", ending), admin("c", bound)}},
	}
	for i, want := range refused {
		if _, err := New(newSnapshot(t, shop()), want, Options{Replace: true, Now: now}); !errors.Is(err, ErrLockout) {
			t.Errorf("%d: got %v", i, err)
		}
	}
	if _, err := New(newSnapshot(t, shop()), refused[1], Options{Now: now}); !errors.Is(err, ErrLockout) {
		t.Errorf("a merge that takes the role: got %v", err)
	}
	if _, err := New(newSnapshot(t, shop()), directory.Records{Users: []directory.User{admin("b", key("b"))}}, Options{Replace: true, Now: now}); err != nil {
		t.Errorf("another admin: got %v", err)
	}
	if _, err := New(snapshot.Empty(), shop(), Options{Replace: true, Now: now}); err != nil {
		t.Errorf("an empty directory: got %v", err)
	}
}

// Run refuses a part that would lock out all service administrators because others have
// changed the directory since the plan.
func TestLockoutMeanwhile(t *testing.T) {
	admin := func(name string) directory.User {
		return directory.User{Name: name, ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}, Keys: []directory.Key{key(name)}}
	}
	current := newSnapshot(t, directory.Records{Users: []directory.User{admin("one"), admin("two")}})
	demoted := admin("one")
	demoted.ServiceRoles = nil
	p, err := New(current, directory.Records{Users: []directory.User{demoted}}, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	two, _ := current.User("two")
	current, _, _ = current.Apply(current.RemoveUser(two.ID))
	if _, err := Run(t.Context(), &store{t: t, current: current}, p, nil); !errors.Is(err, ErrLockout) {
		t.Errorf("got %v", err)
	}
}

// The entries that take the right to continue from the importing user come last, and at
// once.
func TestOwnLossComesLast(t *testing.T) {
	admin := func(name string) directory.User {
		return directory.User{Name: name, ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}, Keys: []directory.Key{key(name), key(name + "-too")}}
	}
	current := newSnapshot(t, directory.Records{Users: []directory.User{admin("root"), admin("gone")}})
	root, _ := current.User("root")
	disabled, keyless := admin("root"), admin("root")
	disabled.Disabled, keyless.Keys = true, []directory.Key{key("another"), key("one-more")}
	for name, own := range map[string][]directory.User{"removed": nil, "disabled": {disabled}, "with other keys": {keyless}} {
		want := directory.Records{Users: append(own, admin("new"), admin("other"))}
		p, err := plan(current, want, Options{Replace: true, Now: now, By: root.ID}, 4)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		last, at := current, current
		for chunk := range p.Chunks() {
			last = at
			if at, err = at.Try(chunk); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		before, ok := last.UserByID(root.ID)
		if !ok || !reflect.DeepEqual(before, root) {
			t.Errorf("%s: before the last part it is %+v", name, before)
		}
		if after, ok := at.UserByID(root.ID); ok && reflect.DeepEqual(after, root) {
			t.Errorf("%s: nothing has become of it", name)
		}
	}
}

// TestMade: stated times are kept; the others are set to now.
func TestMade(t *testing.T) {
	long, by := now.Add(-1e6*time.Second), uuid.UUID{9}
	r := shop()
	r.Users[1].Made = directory.Made{Created: long, Modified: long, By: by}
	want := directory.Records{Users: []directory.User{
		{Name: "pia", Disabled: true},
		{Name: "carl", Disabled: true, Made: directory.Made{Created: long, Modified: long}},
		{Name: "ann", Keys: []directory.Key{key("a"), {ID: "b", Digest: directory.DigestOf("b"), Created: long}}},
	}}
	current := newSnapshot(t, r)
	p, err := New(current, want, Options{Now: now.Add(time.Millisecond), By: uuid.UUID{1}})
	if err != nil {
		t.Fatal(err)
	}
	next, err := Run(t.Context(), &store{t: t, current: current}, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]directory.Made{
		"pia": {Created: long, Modified: now, By: by}, "carl": {Created: long, Modified: long}, "ann": {Created: now, Modified: now, By: uuid.UUID{1}}, "root": {},
	} {
		u, _ := next.User(name)
		if u.Made != want {
			t.Errorf("%s: got %v, want %v", name, u.Made, want)
		}
	}
	ann, _ := next.User("ann")
	if ann.Keys[0].Created != now || ann.Keys[1].Created != long {
		t.Errorf("keys: %v", ann.Keys)
	}
	if pia, _ := next.User("pia"); pia.Profile == nil || len(pia.Keys) != 4 {
		t.Errorf("profile and keys are not kept: %+v", pia)
	}
}

// TestFormerName: a renamed user keeps the id that was derived from its former name.
func TestFormerName(t *testing.T) {
	former := shop()
	former.Users[2].ID, former.Users[2].Name = directory.IDOf(directory.KindUser, "carl"), "carlo"
	former.Projects = nil
	p, err := New(newSnapshot(t, former), directory.Records{Users: []directory.User{{Name: "carl"}}}, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(slices.Collect(p.Lines()), "\n"); got != "+ user carl" {
		t.Errorf("got %s", got)
	}
	for e := range p.Entries() {
		if e.Key.User == former.Users[2].ID {
			t.Errorf("%s changes", e.Key)
		}
	}
}

// TestInvisible: a removed user leaves no entries behind, not even invisible ones.
func TestInvisible(t *testing.T) {
	carl, lab := directory.IDOf(directory.KindUser, "carl"), directory.IDOf(directory.KindProject, "lab")
	hidden := []directory.EntryKey{
		directory.KeyKey(carl, "stolen"), directory.MemberKey(lab, uuid.UUID{9}), directory.ResourceKey(directory.KindTopicACL, lab, "none"),
	}
	current, _, _ := newSnapshot(t, shop()).Apply([]directory.Entry{
		{Key: hidden[0], Revision: 1, Value: &directory.Key{Digest: directory.DigestOf("root")}},
		{Key: hidden[1], Revision: 1, Value: &directory.Member{Roles: directory.Roles()[:1]}},
		{Key: hidden[2], Revision: 1, Value: &directory.ACL{Users: []uuid.UUID{carl}}},
	})
	want := only(shop(), func(r *directory.Records) { r.Users, r.Projects = r.Users[:2], nil })
	for _, limit := range []int{3, directory.MaxChange} {
		p, err := plan(current, want, Options{Replace: true, Now: now}, limit)
		if err != nil {
			t.Fatal(err)
		}
		times := map[directory.EntryKey]int{}
		for e := range p.Entries() {
			if e.Value == nil {
				times[e.Key]++
			}
		}
		for _, k := range hidden {
			if times[k] != 1 {
				t.Errorf("%s is removed %d times", k, times[k])
			}
		}
		end, err := Run(t.Context(), &store{t: t, current: current}, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		for e := range end.Entries() {
			if e.Key.User == carl || e.Key.Project != (uuid.UUID{}) {
				t.Errorf("%s is left", e.Key)
			}
		}
	}
}

var errBroken = errors.New("broken")

func TestRunFails(t *testing.T) {
	current := newSnapshot(t, shop())
	want := only(shop(), func(r *directory.Records) {
		for i := range r.Users {
			r.Users[i].Profile = &directory.Profile{LastName: "x"}
		}
	})
	p, err := plan(current, want, Options{Replace: true, Now: now}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var seen []int
	s := &store{t: t, current: current, fail: 2}
	_, err = Run(t.Context(), s, p, func(done, total int) { seen = append(seen, done, total) })
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "changed 2 of 3 entries") || !slices.Equal(seen, []int{2, 3}) {
		t.Errorf("got %v, %v", err, seen)
	}
}

// store keeps a directory in memory.
type store struct {
	t        testing.TB
	current  *snapshot.Snapshot
	revision uint64
	fail     int // the change that fails
	changes  int
}

func (s *store) Change(_ context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	if s.changes++; s.changes == s.fail {
		return nil, errBroken
	}
	entries, err := f(s.current)
	if err != nil {
		return nil, err
	}
	entries = slices.Clone(entries)
	for i := range entries {
		s.revision++
		entries[i].Revision = s.revision
	}
	next, err := s.current.Try(entries)
	if err != nil {
		return nil, err
	}
	s.current = next
	return next, nil
}

// An import adds and changes bans. It removes those that it does not name only if it has a
// list of bans and replaces.
func TestImportBans(t *testing.T) {
	until := now.Add(time.Hour)
	network := func(text string) directory.BanTarget {
		return directory.BanTarget{Network: netip.MustParsePrefix(text)}
	}
	current := newSnapshot(t, directory.Records{
		Users: []directory.User{{Name: "ada"}},
		Bans: []directory.Ban{
			{ID: "net", Target: network("192.0.2.0/24"), Reason: "r", Until: until},
			{ID: "of-ada", User: "ada", Reason: "r", Until: until},
		},
	})
	for name, tt := range map[string]struct {
		bans    []directory.Ban
		replace bool
		want    []string
	}{
		"no list":            {nil, true, nil},
		"an empty list":      {[]directory.Ban{}, true, []string{"- ban net (network 192.0.2.0/24)", "- ban of-ada (user ada)"}},
		"an empty list kept": {[]directory.Ban{}, false, nil},
		"the same target": {
			[]directory.Ban{{Target: network("192.0.2.0/24"), Reason: "other", Until: until}}, false, []string{"~ ban net: reason"},
		},
		"a new one": {
			[]directory.Ban{{ID: "new", User: "ada", Target: directory.BanTarget{Key: "k"}, Reason: "r", Until: until}},
			false,
			[]string{"+ ban new (key k of user ada, until " + until.UTC().Format(time.RFC3339) + ")"},
		},
	} {
		p, err := New(current, directory.Records{Users: []directory.User{{Name: "ada"}}, Bans: tt.bans}, Options{Replace: tt.replace, Now: now})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := slices.Collect(p.Lines()); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if _, err := New(current, directory.Records{Bans: []directory.Ban{{User: "nobody", Reason: "r", Until: until}}}, Options{Now: now}); err == nil {
		t.Error("a ban of a user who does not exist was planned")
	}
}
