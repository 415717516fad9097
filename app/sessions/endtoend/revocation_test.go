package endtoend

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"usher/api/client"
	"usher/api/wire"
	"usher/callout/callouttest"
)

// size is how many clients a test has.
type size struct{ projects, users, clientsOfKey, processes int }

// sizes by -clients.
func sizes() map[int]size {
	return map[int]size{
		400:   {projects: 10, users: 10, clientsOfKey: 2, processes: 2},
		2000:  {projects: 10, users: 20, clientsOfKey: 5, processes: 2},
		10000: {projects: 20, users: 50, clientsOfKey: 5, processes: 5},
	}
}

var clients = flag.Int("clients", 400, "how many clients the tests have, besides the anonymous ones: 400, 2000 or 10000")

func sizeOf(t *testing.T) size {
	t.Helper()
	n, ok := sizes()[*clients]
	switch {
	case !ok:
		t.Fatalf("-clients %d: expected 400, 2000 or 10000", *clients)
	case raceEnabled: // it costs too much memory for more
		return sizes()[400]
	}
	return n
}

// taking is one way in which somebody loses something.
type taking struct {
	name string
	// do takes it from a user of a project, and returns the clients that are to be closed.
	do    func(p *population, c *client.Client, project, user string) []int
	whole bool // it concerns a whole project: the first, then the second
	once  bool // it cannot be done again
	// How long those that are closed wait before they connect again. nats.go tries the next
	// server at once.
	pause time.Duration
}

func takings() []taking {
	return []taking{
		{name: "key revoked", do: func(p *population, c *client.Client, _, user string) []int {
			callouttest.Must(p.t, c.DeleteKey(p.t.Context(), user, "a", ""))
			return p.of(user, "a")
		}},
		{name: "ACL entry removed", do: func(p *population, c *client.Client, project, user string) []int {
			_, err := c.ChangeACL(p.t.Context(), client.TopicOf(project, "orders"), func(users []string) []string {
				return slices.DeleteFunc(users, func(u string) bool { return u == user })
			})
			callouttest.Must(p.t, err)
			return p.of(user)
		}},
		{name: "member removed", do: func(p *population, c *client.Client, project, user string) []int {
			callouttest.Must(p.t, c.RemoveMember(p.t.Context(), project, user, ""))
			return p.of(user)
		}},
		{name: "user disabled", do: func(p *population, c *client.Client, _, user string) []int {
			off := false
			_, err := c.UpdateUser(p.t.Context(), user, &wire.UserInput{Enabled: &off}, "")
			callouttest.Must(p.t, err)
			return p.of(user)
		}},
		{name: "ban set", do: func(p *population, c *client.Client, _, user string) []int {
			_, err := c.CreateBan(p.t.Context(), &wire.BanInput{BanTarget: wire.BanTarget{User: user}, For: "1h", Reason: "a test"})
			callouttest.Must(p.t, err)
			return p.of(user)
		}},
		{name: "rule changed", once: true, do: func(p *population, _ *client.Client, _, _ string) []int {
			for _, n := range p.site.nodes {
				replace(p.t, n.config(), map[string]string{`\breturns\b`: "empty"})
			}
			return p.clients["guest/a"]
		}},
		// The clients that come back, to be denied, take most of the time of the two processors
		// that they share with all servers. Once without them, to see what closing takes.
		{name: "project deleted, clients wait", whole: true, pause: 3 * time.Second, do: deleteProject},
		{name: "project deleted", whole: true, do: deleteProject},
	}
}

func deleteProject(p *population, c *client.Client, project, _ string) []int {
	var ids []int
	for _, user := range p.users[project] {
		ids = append(ids, p.of(user)...)
	}
	callouttest.Must(p.t, c.DeleteProject(p.t.Context(), project, ""))
	return ids
}

// What is taken from somebody closes the sessions that had it, on all servers, and no other.
func TestRevocation(t *testing.T) {
	t.Parallel()
	n := sizeOf(t)
	projects := names("p", n.projects)
	s := startSite(t, projects, withGuests(projects[len(projects)-1]))
	p := populate(t, s, projects, n.users, n.clientsOfKey, n.processes)
	t.Logf("figures: %d clients", len(p.fleet.states))
	p.kick(t)
	deleted := 0
	for k, what := range takings() {
		p.fleet.reset()
		p.fleet.pause(t, what.pause)
		var delays []time.Duration
		var gone []int
		rounds := 8
		if what.once || what.whole {
			rounds = 1
		}
		for i := range rounds {
			project := projects[(k*rounds+i)%(len(projects)-1)] // the last one loses nothing
			if what.whole {
				project = projects[deleted]
				deleted++
			}
			user := p.users[project][k]
			c := s.client(t, i%len(s.nodes))
			begin := time.Now()
			ids := what.do(p, c, project, user)
			ids = slices.DeleteFunc(ids, func(id int) bool { return !p.fleet.has(id) })
			callouttest.Eventually(t, what.name+": the clients are closed", func() bool {
				return !slices.ContainsFunc(p.fleet.of(ids), func(s state) bool { return s.ended.IsZero() })
			})
			for _, closed := range p.fleet.of(ids) {
				delays = append(delays, closed.ended.Sub(begin))
			}
			gone = append(gone, ids...)
		}
		report(t, what.name, delays)
		p.settle(t, what.name, gone)
	}
	p.gains(t)
}

// settle waits until the clients that lost something have been denied or have come back,
// and checks that nobody else was touched.
func (p *population) settle(t *testing.T, what string, gone []int) {
	t.Helper()
	callouttest.EventuallyWithin(t, upTimeout, what+": the closed clients are denied or back", func() bool {
		return !slices.ContainsFunc(p.fleet.of(gone), func(s state) bool { return s.denials == 0 && !s.up })
	})
	touched := p.fleet.count(func(s *state) bool { return s.disconnects > 0 })
	if touched != len(gone) {
		t.Errorf("%s: %d sessions closed, expected %d", what, touched, len(gone))
	}
	var never []int
	for i, s := range p.fleet.of(gone) {
		if s.denials > 0 {
			never = append(never, gone[i])
		}
	}
	p.fleet.forget(never)
}

// gains gives something to everybody. Nobody is closed.
func (p *population) gains(t *testing.T) {
	t.Helper()
	p.fleet.reset()
	c := p.site.client(t, 0)
	begin := time.Now()
	for _, project := range p.projects[2:] { // the first two are deleted
		_, err := c.ChangeACL(t.Context(), client.TopicOf(project, "empty"), func([]string) []string {
			return p.members(t, c, project)
		})
		callouttest.Must(t, err)
	}
	// A loss after the gains is in force only once they were evaluated.
	last := p.projects[len(p.projects)-1]
	user := p.users[last][len(p.users[last])-1]
	off := false
	_, err := c.UpdateUser(t.Context(), user, &wire.UserInput{Enabled: &off}, "")
	callouttest.Must(t, err)
	lost := p.of(user)
	callouttest.Eventually(t, "the clients of the disabled user are closed", func() bool {
		return !slices.ContainsFunc(p.fleet.of(lost), func(s state) bool { return s.ended.IsZero() })
	})
	if n := p.fleet.count(func(s *state) bool { return s.disconnects > 0 }); n != len(lost) {
		t.Errorf("gains: %d sessions were closed", n-len(lost))
	}
	t.Logf("figures: gains in %d projects: 0 of %d sessions closed; then one user disabled, after %s", len(p.projects)-2, p.fleet.count(func(*state) bool { return true })-len(lost), time.Since(begin))
}

func (p *population) members(t *testing.T, c *client.Client, project string) (names []string) {
	t.Helper()
	list, err := c.Members(context.WithoutCancel(t.Context()), project)
	callouttest.Must(t, err)
	for i := range list.Users {
		names = append(names, list.Users[i].Name)
	}
	return names
}

// report prints how long something took.
func report(t *testing.T, what string, delays []time.Duration) {
	t.Helper()
	slices.Sort(delays)
	at := func(share float64) time.Duration {
		return delays[min(int(share*float64(len(delays))), len(delays)-1)].Round(100 * time.Microsecond)
	}
	t.Logf("figures: %-30s %5d sessions: p50 %s, p99 %s, max %s", what, len(delays), at(0.5), at(0.99), at(1))
}
