package snapshot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// model is a directory that is changed at random as by a store: every change is checked
// with Try, and gets a revision.
type model struct {
	tb       testing.TB
	random   *rand.Rand
	now      *snapshot.Snapshot
	revision uint64
	entries  map[directory.EntryKey]directory.Entry // the last of each key; removed ones too
	refused  int
	made     int
}

func newModel(tb testing.TB, seed uint64) *model {
	tb.Helper()
	return &model{
		tb: tb, random: rand.New(rand.NewPCG(seed, seed)), now: snapshot.Empty(),
		entries: map[directory.EntryKey]directory.Entry{},
	}
}

// change checks a change, and applies it if it has no problems.
func (m *model) change(entries []directory.Entry) (made bool) {
	m.tb.Helper()
	_, err := m.now.Try(entries)
	var problems directory.Problems
	switch {
	case errors.As(err, &problems):
		m.refused++
		return false
	case err != nil:
		m.tb.Fatal(err)
	}
	for i := range entries {
		m.revision++
		entries[i].Revision = m.revision
		m.entries[entries[i].Key] = entries[i]
	}
	next, _, problems := m.now.Apply(entries)
	if len(problems) > 0 {
		m.tb.Fatalf("Try allows what does not fit: %v", problems)
	}
	m.now = next
	m.made++
	return true
}

func (m *model) id() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(m.random.IntN(256))
	}
	return id
}

func (m *model) roll(n int) int { return m.random.IntN(n) }

func (m *model) text(letter string, n int) string { return letter + strconv.Itoa(m.roll(n)) }

func (m *model) users() []*directory.User {
	return slices.SortedFunc(m.now.Users(), func(x, y *directory.User) int { return compare(x.ID, y.ID) })
}

func (m *model) projects() []*directory.Project {
	return slices.SortedFunc(m.now.Projects(), func(x, y *directory.Project) int { return compare(x.ID, y.ID) })
}

func compare(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) }

// step makes one random change of a few users and projects that compete for the same
// names, keys and subjects.
func (m *model) step() {
	if m.roll(4) == 0 || len(m.users()) == 0 {
		m.change(directory.Put(directory.UserKey(m.id()), &directory.User{Name: m.text("u", 8)}))
		return
	}
	if len(m.projects()) == 0 {
		m.change(directory.Put(directory.ProjectKey(m.id()), m.project()))
		return
	}
	if m.roll(3) == 0 {
		m.changeUser(m.users()[m.roll(len(m.users()))])
	} else {
		m.changeProject(m.projects()[m.roll(len(m.projects()))])
	}
}

func (m *model) project() *directory.Project {
	return &directory.Project{Name: m.text("p", 5), Account: m.text("A", 3)}
}

func (m *model) changeUser(u *directory.User) {
	switch m.roll(6) {
	case 0:
		m.change(m.now.RemoveUser(u.ID))
	case 1, 2:
		changed := *u
		changed.Name, changed.Disabled = m.text("u", 8), m.roll(2) == 0
		m.change(directory.Put(directory.UserKey(u.ID), &changed))
	case 3:
		m.change(directory.Remove(directory.KeyKey(u.ID, m.text("k", 3))))
	default:
		m.change(directory.Put(directory.KeyKey(u.ID, m.text("k", 3)), &directory.Key{Digest: digest(m.roll(12))}))
	}
}

func digest(n int) directory.Digest { return directory.DigestOf("key" + strconv.Itoa(n)) }

func (m *model) changeProject(p *directory.Project) {
	topic, sub := m.text("t", 4), m.text("s", 3)
	switch m.roll(16) {
	case 0:
		if m.roll(3) == 0 {
			m.change(m.now.RemoveProject(p.ID))
		}
	case 1:
		m.change(directory.Put(directory.ProjectKey(m.id()), m.project()))
	case 2:
		changed := *p
		changed.Name = m.text("p", 5)
		m.change(directory.Put(directory.ProjectKey(p.ID), &changed))
	case 3:
		changed := *p
		changed.Account = m.text("A", 3)
		m.change(directory.Put(directory.ProjectKey(p.ID), &changed))
	case 4, 5, 6:
		u := m.users()[m.roll(len(m.users()))]
		m.change(directory.Put(directory.MemberKey(p.ID, u.ID), &directory.Member{Roles: directory.Roles()[m.roll(3):]}))
	case 7:
		u := m.users()[m.roll(len(m.users()))]
		m.change(m.now.RemoveMember(p.ID, u.ID))
	case 8, 9:
		v := &directory.Topic{}
		switch m.roll(3) {
		case 0:
			v.Subject = p.Name + ".own." + m.text("x", 2)
		case 1:
			v.Subject = m.text("p", 5) + "." + m.text("t", 4)
		}
		m.change(directory.Put(directory.ResourceKey(directory.KindTopic, p.ID, topic), v))
	case 10:
		m.change(m.now.RemoveTopic(p.ID, topic))
	case 11:
		m.change(directory.Put(directory.ResourceKey(directory.KindSubscription, p.ID, sub), &directory.Subscription{Topic: topic}))
	case 12:
		m.change(m.now.RemoveSubscription(p.ID, sub))
	case 13, 14:
		m.change(directory.Put(directory.ResourceKey(directory.KindTopicACL, p.ID, topic), m.acl(p)))
	default:
		m.change(directory.Put(directory.ResourceKey(directory.KindSubscriptionACL, p.ID, sub), m.acl(p)))
	}
}

func (m *model) acl(p *directory.Project) *directory.ACL {
	var ids []uuid.UUID
	for u := range m.now.Members(p.Name) {
		ids = append(ids, u.ID)
	}
	slices.SortFunc(ids, compare)
	m.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return &directory.ACL{Users: ids[:m.roll(len(ids)+1)]}
}

// describe returns everything that is visible in a snapshot as text, and checks that it is
// consistent.
func describe(tb testing.TB, s *snapshot.Snapshot) []string {
	tb.Helper()
	var size directory.Size
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for u := range s.Users() {
		size.Users++
		size.Keys += len(u.Keys)
		add("user %s %s %v %d", u.ID, u.Name, u.Disabled, u.Revision)
		if again, ok := s.UserByID(u.ID); !ok || again != u {
			tb.Errorf("user %s is not found by its id", u.Name)
		}
		for i := range u.Keys {
			k := &u.Keys[i]
			add("key %s.%s %s %d", u.Name, k.ID, k.Digest, k.Revision)
			if rec, ok := s.LookupKey(k.Digest); !ok || rec.User != u || rec.Key != k {
				tb.Errorf("key %s of %s is not found", k.ID, u.Name)
			}
		}
		describeFacts(tb, s, u, add)
	}
	for n := range 12 {
		if rec, ok := s.LookupKey(digest(n)); ok {
			add("digest %d %s.%s", n, rec.User.Name, rec.Key.ID)
		}
	}
	for p := range s.Projects() {
		size.Projects++
		size.Topics += len(p.Topics)
		size.Subscriptions += len(p.Subscriptions)
		describeProject(tb, s, p, add)
	}
	for b := range s.Bans().All() {
		size.Bans++
		add("ban %s %+v %s %s %d", b.ID, b.Target, b.Reason, b.Until, b.Revision)
		found := s.Bans().Of(&b.Target, time.Time{})
		if b.Target.Network.IsValid() {
			found = s.Bans().OfAddr(b.Target.Network.Addr(), time.Time{})
		}
		if found == nil {
			tb.Errorf("ban %s is not found", b.ID)
		}
	}
	if size != s.Size() {
		tb.Errorf("there are %+v, and the size is %+v", size, s.Size())
	}
	slices.Sort(lines)
	return append(lines, fmt.Sprintf("%+v", size))
}

func describeFacts(tb testing.TB, s *snapshot.Snapshot, u *directory.User, add func(string, ...any)) {
	tb.Helper()
	f, ok := s.Facts(u.Name, "")
	if !ok || f.User != u {
		tb.Errorf("user %s has no facts", u.Name)
	}
	for i := range f.Memberships {
		m := &f.Memberships[i]
		text := fmt.Sprintf("facts %s %s in %s %v %d", u.Name, m.Project.Name, m.Project.Account, m.Roles, m.Revision)
		for _, x := range m.Topics {
			text += fmt.Sprintf(" topic %s=%s", x.Name, x.Subject)
			if at, ok := s.Topic(m.Project.Name, x.Name); !ok || at != x {
				tb.Errorf("%s has topic %s.%s as it was", u.Name, m.Project.Name, x.Name)
			}
			if users, _, _ := s.ACL(directory.KindTopicACL, m.Project.Name, x.Name); !slices.Contains(users, u.Name) {
				tb.Errorf("%s has topic %s.%s, whose ACL names %v", u.Name, m.Project.Name, x.Name, users)
			}
		}
		for _, x := range m.Subs {
			text += fmt.Sprintf(" sub %s", x.Name)
			if at, ok := s.Subscription(m.Project.Name, x.Name); !ok || at != x {
				tb.Errorf("%s has subscription %s.%s as it was", u.Name, m.Project.Name, x.Name)
			}
			if users, _, _ := s.ACL(directory.KindSubscriptionACL, m.Project.Name, x.Name); !slices.Contains(users, u.Name) {
				tb.Errorf("%s has subscription %s.%s, whose ACL names %v", u.Name, m.Project.Name, x.Name, users)
			}
		}
		topics, subs, outside := lengthsOf(m)
		if topics != m.TopicBytes || subs != m.SubBytes || outside != m.Outside {
			tb.Errorf("%s has %d bytes of subjects and %d of names in %s, and outside of it are %+v: it says %d, %d and %+v",
				u.Name, topics, subs, m.Project.Name, outside, m.TopicBytes, m.SubBytes, m.Outside)
		}
		add("%s", text)
	}
}

// lengthsOf recomputes the lengths that a snapshot has counted.
func lengthsOf(m *directory.Membership) (topics, subs int, outside directory.Lengths) {
	for _, t := range m.Topics {
		topics += len(t.Subject)
	}
	for _, s := range m.Subs {
		subs += len(s.Name)
	}
	for i := range m.Project.Topics {
		if subject := m.Project.Topics[i].Subject; !strings.HasPrefix(subject, m.Project.Name+".") {
			outside.Count++
			outside.Bytes += len(subject)
		}
	}
	return topics, subs, outside
}

func describeProject(tb testing.TB, s *snapshot.Snapshot, p *directory.Project, add func(string, ...any)) {
	tb.Helper()
	add("project %s %s %s %d", p.ID, p.Name, p.Account, p.Revision)
	if again, ok := s.ProjectByID(p.ID); !ok || again != p {
		tb.Errorf("project %s is not found by its id", p.Name)
	}
	members := 0
	for u, m := range s.Members(p.Name) {
		members++
		add("member %s of %s %v %d", u.Name, p.Name, m.Roles, m.Revision)
		if one, ok := s.Member(p.Name, u.Name); !ok || !slices.Equal(one.Roles, m.Roles) || m.Project != p {
			tb.Errorf("%s is not found in project %s", u.Name, p.Name)
		}
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		users, revision, ok := s.ACL(directory.KindTopicACL, p.Name, t.Name)
		add("topic %s.%s %s %d: %v %d", p.Name, t.Name, t.Subject, t.Revision, users, revision)
		if at, found := s.Topic(p.Name, t.Name); !ok || !found || at.Subject != t.Subject || t.ACLRevision != revision {
			tb.Errorf("topic %s.%s is not found", p.Name, t.Name)
		}
		for _, name := range users {
			if one, ok := s.Member(p.Name, name); !ok || !slices.ContainsFunc(one.Topics, func(x *directory.Topic) bool { return x.Name == t.Name }) {
				tb.Errorf("%s is in the ACL of topic %s.%s, and does not have it", name, p.Name, t.Name)
			}
		}
	}
	for i := range p.Subscriptions {
		x := &p.Subscriptions[i]
		users, revision, ok := s.ACL(directory.KindSubscriptionACL, p.Name, x.Name)
		add("subscription %s.%s %s %d: %v %d", p.Name, x.Name, x.Topic, x.Revision, users, revision)
		if !ok || x.ACLRevision != revision {
			tb.Errorf("subscription %s.%s is not found", p.Name, x.Name)
		}
		if _, ok := s.Topic(p.Name, x.Topic); !ok {
			tb.Errorf("subscription %s.%s reads nothing", p.Name, x.Name)
		}
		for _, name := range users {
			if one, ok := s.Member(p.Name, name); !ok || !slices.ContainsFunc(one.Subs, func(y *directory.Subscription) bool { return y.Name == x.Name }) {
				tb.Errorf("%s is in the ACL of subscription %s.%s, and does not have it", name, p.Name, x.Name)
			}
		}
	}
}
