package snapshot_test

import (
	"slices"
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
)

// Contradictory entries are reported. The later one grants nothing until the other one is
// removed.
func TestContradictions(t *testing.T) {
	member := &directory.Member{Roles: directory.Roles()}
	topic := func(subject string) *directory.Topic { return &directory.Topic{Subject: subject} }
	project := func(name, account string) *directory.Project {
		return &directory.Project{Name: name, Account: account}
	}
	type entries = []directory.Entry
	tests := []struct {
		name           string
		first, second  entries
		problem        string
		removal        entries // resolves the contradiction
		during, before []string
		after          []string
	}{
		{
			name:  "two users of one name",
			first: entries{set(directory.UserKey(pia), &directory.User{Name: "x"})},
			second: entries{
				set(directory.UserKey(carl), &directory.User{Name: "x"}), set(directory.KeyKey(carl, "k"), &directory.Key{Digest: digest(1)}),
				set(directory.ProjectKey(shop), project("shop", "A")), set(directory.MemberKey(shop, carl), member),
			},
			problem: `user "x" already exists`, removal: entries{unset(directory.UserKey(pia))},
			during: []string{"x is 01", "key 1 has no user", "x in "}, after: []string{"x is 02", "key 1 is x", "x in shop"},
		},
		{
			name:    "a user that is renamed to another's name",
			first:   entries{set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.UserKey(carl), &directory.User{Name: "y"})},
			second:  entries{set(directory.UserKey(carl), &directory.User{Name: "x"})},
			problem: `user "x" already exists`, removal: entries{set(directory.UserKey(pia), &directory.User{Name: "z"})},
			during: []string{"x is 01", "y is unknown"}, after: []string{"x is 02", "y is unknown", "z is 01"},
		},
		{
			name: "a key of two users",
			first: entries{
				set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.KeyKey(pia, "k"), &directory.Key{Digest: digest(1)}),
				set(directory.UserKey(carl), &directory.User{Name: "y"}), set(directory.KeyKey(carl, "k"), &directory.Key{Digest: digest(2)}),
			},
			second:  entries{set(directory.KeyKey(carl, "k"), &directory.Key{Digest: digest(1)})},
			problem: `this key already belongs to another user`, removal: entries{unset(directory.KeyKey(pia, "k"))},
			during: []string{"key 1 is x", "key 2 has no user"}, after: []string{"key 1 is y", "key 2 has no user"},
		},
		{
			name:    "two projects of one name",
			first:   entries{set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.ProjectKey(shop), project("p", "A"))},
			second:  entries{set(directory.ProjectKey(lab), project("p", "B")), set(directory.MemberKey(lab, pia), member)},
			problem: `project "p" already exists`, removal: entries{unset(directory.ProjectKey(shop))},
			during: []string{"x in "}, after: []string{"x in p"},
		},
		{
			name: "two topics of one subject",
			first: entries{
				set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.ProjectKey(shop), project("p", "A")),
				set(directory.MemberKey(shop, pia), member), set(of(topicKind, shop, "b"), topic("")),
			},
			second:  entries{set(of(topicKind, shop, "a"), topic("p.b")), set(of(topicACL, shop, "a"), open(pia))},
			problem: `subject "p.b" already belongs to another topic`, removal: entries{unset(of(topicKind, shop, "b"))},
			during: []string{"x in p"}, after: []string{"x in p p.b"},
		},
		{
			name: "a subject of another project",
			first: entries{
				set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.ProjectKey(shop), project("p", "A")),
				set(directory.ProjectKey(lab), project("lab", "A")),
			},
			second:  entries{set(directory.MemberKey(lab, pia), member), set(of(topicKind, lab, "a"), topic("p.b")), set(of(topicACL, lab, "a"), open(pia))},
			problem: `subject "p.b" lies outside of project "lab"`, removal: entries{set(directory.ProjectKey(shop), project("p", "B"))},
			during: []string{"x in lab"}, after: []string{"x in lab p.b"},
		},
		{
			name: "a project that comes to one whose subjects are all over the account",
			first: entries{
				set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.ProjectKey(lab), project("lab", "A")),
				set(directory.MemberKey(lab, pia), member), set(of(topicKind, lab, "a"), topic("p.b")), set(of(topicACL, lab, "a"), open(pia)),
			},
			second:  entries{set(directory.ProjectKey(shop), project("p", "A"))},
			problem: `subject "p.b" lies outside of project "lab"`, removal: entries{unset(directory.ProjectKey(shop))},
			before: []string{"x in lab p.b"}, during: []string{"x in lab"}, after: []string{"x in lab p.b"},
		},
		{
			name: "a subscription of a topic that is gone",
			first: entries{
				set(directory.UserKey(pia), &directory.User{Name: "x"}), set(directory.ProjectKey(lab), project("lab", "A")), set(directory.MemberKey(lab, pia), member),
			},
			second:  entries{set(of(subKind, lab, "s"), &directory.Subscription{Topic: "a"}), set(of(subACL, lab, "s"), open(pia))},
			removal: entries{set(of(topicKind, lab, "a"), topic(""))}, // what was missing comes
			during:  []string{"x in lab"}, after: []string{"x in lab s"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for revision, list := range []entries{tt.first, tt.second, tt.removal} {
				for i := range list {
					list[i].Revision = uint64(revision*10 + i + 1)
				}
			}
			s, _, problems := snapshot.Empty().Apply(tt.first)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			holds(t, s, tt.before)
			s, _, problems = s.Apply(tt.second)
			if tt.problem == "" && len(problems) > 0 || tt.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Message, tt.problem)) {
				t.Errorf("problems: %v", problems)
			}
			holds(t, s, tt.during)
			describe(t, s)
			if _, err := snapshot.New(s.Records()); err != nil {
				t.Errorf("what is shown contradicts itself: %v", err)
			}

			// It is kept with the rest, and reported once.
			b := snapshot.NewBuilder()
			kept := slices.SortedFunc(s.Entries(), func(x, y directory.Entry) int { return int(x.Revision) - int(y.Revision) })
			for i := range kept {
				b.Add(&kept[i])
			}
			again, _ := b.Snapshot()
			same(t, "kept", describe(t, again), describe(t, s))
			other := directory.Put(directory.UserKey(none), &directory.User{Name: "other"})
			if again, _, problems = again.Apply(other); len(problems) > 0 {
				t.Errorf("reported again: %v", problems)
			}

			again, users, problems := again.Apply(tt.removal)
			if len(problems) > 0 {
				t.Errorf("afterwards: %v", problems)
			}
			holds(t, again, tt.after)
			if strings.Contains(strings.Join(tt.after, " "), "x in") && !slices.Contains(users, pia) && !slices.Contains(users, carl) {
				t.Errorf("x is not named: %v", users)
			}
		})
	}
}

// holds checks statements about a snapshot: "x is <prefix of id>", "key n is <name>" and
// "x in <project> <subjects and subscriptions>".
func holds(t *testing.T, s *snapshot.Snapshot, want []string) {
	t.Helper()
	for _, statement := range want {
		name, rest, _ := strings.Cut(statement, " ")
		got := name + " is unknown"
		switch {
		case name == "key":
			number := int(rest[0] - '0')
			got = "key " + rest[:1] + " has no user"
			if rec, ok := s.LookupKey(digest(number)); ok {
				got = "key " + rest[:1] + " is " + rec.User.Name
			}
		case strings.HasPrefix(rest, "is"):
			if u, ok := s.User(name); ok {
				got = name + " is " + u.ID.String()[:2]
			}
		default:
			got = name + " in "
			f, _ := s.Facts(name, "")
			for _, m := range f.Memberships {
				got += m.Project.Name
				for _, x := range m.Topics {
					got += " " + x.Subject
				}
				for _, x := range m.Subs {
					got += " " + x.Name
				}
			}
		}
		if got != statement {
			t.Errorf("%s, want %s", got, statement)
		}
	}
}
