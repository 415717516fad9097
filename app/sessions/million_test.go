package sessions_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/permissions"
)

// crowd makes the sessions of a simulation, of users with one API key, in projects of 2,000
// sessions each.
type crowd struct {
	sessions int
	perUser  int  // sessions of a user
	own      bool // no other user has the same topics, as if ACLs named each user
}

// session is the n-th session, of a grant with 10 subjects. The sessions of a user come one
// long after the other, from addresses and over servers of their own.
func (c crowd) session(n int) *session.Session {
	user := n % (c.sessions / c.perUser)
	s := of(fmt.Sprintf("svc-%08d", user), n)
	s.RequestID = fmt.Sprintf("%016x%08x", uint64(n)*0x9e3779b97f4a7c15, uint32(n)*0x9e3779b9)
	s.Instance = fmt.Sprintf("usher-%d", n%3)
	s.Identity.KeyID = fmt.Sprintf("%016x", uint64(user)*0x9e3779b97f4a7c15)
	s.Client.Name, s.Client.Version = fmt.Sprintf("service-%d", user%50), fmt.Sprintf("1.4%d.0", user%10)
	projects := c.sessions / 2000
	project, member := fmt.Sprintf("project%d", user%projects), user/projects
	s.Grant = grant(s.Identity.Name, project)
	s.Grant.Tags[0] = "key:" + s.Identity.KeyID
	topics := []int{member % 7, 7 + member%5}
	if c.own {
		topics = []int{member % 32, 32 + member/32} // of some 50 in the project
	}
	for i, topic := range topics {
		r := s.Grant.Rules[i]
		r.Origin.Name = fmt.Sprintf("topic%d", topic)
		r.Subject = project + "." + r.Origin.Name
		s.Grant.Rules = append(s.Grant.Rules, r)
	}
	slices.SortFunc(s.Grant.Rules, func(a, b permissions.Rule) int { return slices.Compare(order(a), order(b)) })
	return s
}

func order(r permissions.Rule) []string { return []string{string(r.Side), string(r.Effect), r.Subject} }

// bytes returns the memory in use.
func bytes() uint64 {
	runtime.GC()
	runtime.GC() // the first one finds what finalizers and package unique release
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fill returns a registry with all the sessions, and how many bytes each takes.
func (c crowd) fill() (*sessions.Registry, float64) {
	before := bytes()
	r := sessions.New()
	for n := range c.sessions {
		r.Add(c.session(n))
	}
	return r, float64(bytes()-before) / float64(c.sessions)
}

// crowds are the assumptions of docs/explanation/sessions.md.
func crowds(sessions int) map[string]crowd {
	return map[string]crowd{
		"four-each": {sessions: sessions, perUser: 4},
		"own-acls":  {sessions: sessions, perUser: 4, own: true},
		"one-each":  {sessions: sessions, perUser: 1},
	}
}

// The bound is that of a million, with some room for tables that have just grown.
func TestSessionTakesFewBytes(t *testing.T) {
	for name, c := range crowds(20_000) {
		r, each := c.fill()
		t.Logf("%s: %.0f bytes a session", name, each)
		if limit := map[string]float64{"four-each": 300, "own-acls": 330, "one-each": 450}[name]; each > limit {
			t.Errorf("%s: a session takes %.0f bytes, want at most %.0f", name, each, limit)
		}
		if r.Len() != c.sessions {
			t.Errorf("%d sessions", r.Len())
		}
	}
}
