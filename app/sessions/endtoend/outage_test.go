package endtoend

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// outage is something that fails while somebody loses something.
type outage struct {
	name  string
	begin func(s *site)
	end   func(s *site)
	// api is the node whose API takes the change.
	api int
}

func outages() []outage {
	return []outage{
		{"a server is killed", func(s *site) { s.nodes[2].server.kill() }, func(s *site) { s.startServer(s.t, 2) }, 0},
		{"an usher is killed", func(s *site) { s.nodes[2].usher.kill() }, func(s *site) { s.startUsher(s.t, 2) }, 0},
		{"a server and its usher are killed", func(s *site) {
			s.nodes[1].usher.kill()
			s.nodes[1].server.kill()
		}, func(s *site) {
			s.startServer(s.t, 1)
			s.startUsher(s.t, 1)
		}, 0},
		{"JetStream has no quorum", func(s *site) {
			s.nodes[1].server.kill()
			s.nodes[2].server.kill()
		}, func(s *site) {
			s.startServer(s.t, 1)
			s.startServer(s.t, 2)
		}, 0},
	}
}

// outageTime is how long each outage lasts.
const outageTime = 5 * time.Second

// Whoever loses a key while a part fails does not stay connected longer than the outage, and
// a little. Nobody else is closed by usher, or denied.
func TestRevocationDuringOutage(t *testing.T) {
	t.Parallel()
	n := sizeOf(t)
	projects := names("p", n.projects)
	s := startSite(t, projects, withGuests(projects[0]))
	p := populate(t, s, projects, n.users, n.clientsOfKey, n.processes)
	t.Logf("figures: %d clients", len(p.fleet.states))
	for i, what := range outages() {
		p.fleet.reset()
		what.begin(s)
		began := time.Now()
		var gone []int
		var taken time.Time // when the change was accepted
		for k := range 5 {
			user := p.users[projects[k%len(projects)]][i]
			c := s.client(t, what.api)
			callouttest.EventuallyWithin(t, upTimeout, "the API takes the change", func() bool {
				if time.Since(began) > outageTime && what.end != nil {
					what.end(s)
					what.end = nil
				}
				return c.DeleteKey(t.Context(), user, "a", "") == nil || !p.works(t, what.api, user)
			})
			taken = time.Now()
			gone = append(gone, p.of(user, "a")...)
		}
		if what.end != nil {
			if rest := outageTime - time.Since(began); rest > 0 {
				<-time.After(rest)
			}
			what.end(s)
		}
		s.waitJetStream(t)
		over := time.Now()
		callouttest.EventuallyWithin(t, upTimeout, what.name+": the clients are closed and denied", func() bool {
			return !slices.ContainsFunc(p.fleet.of(gone), func(s state) bool { return s.up || s.denials == 0 })
		})
		late, longest := 0, time.Duration(0)
		for _, s := range p.fleet.of(gone) {
			stayed := s.lastEnded.Sub(taken)
			longest = max(longest, stayed)
			if s.lastEnded.After(over.Add(5 * time.Second)) {
				late++
			}
		}
		t.Logf("figures: %-34s %d sessions; connected for at most %s after the change; %d longer than 5 s after the outage", what.name, len(gone), longest.Round(time.Millisecond), late)
		if late > 0 {
			t.Errorf("%s: %d sessions stayed connected", what.name, late)
		}
		p.fleet.forget(gone)
		s.waitReady(t)
		p.fleet.waitUp(t)
		if n := p.fleet.count(func(s *state) bool { return s.denials > 0 }); n > 0 {
			t.Errorf("%s: %d others were denied", what.name, n)
		}
	}
}

// waitJetStream waits until the cluster can change consumers again, as usher does to follow
// the bucket: until the meta group of JetStream, of all three servers, has a leader. A single
// bucket can have one, and take changes, before.
func (s *site) waitJetStream(t *testing.T) {
	t.Helper()
	password, err := os.ReadFile(s.nodes[0].path(setup.FilePassword))
	callouttest.Must(t, err)
	nc, err := nats.Connect(s.nodes[0].url(), nats.UserInfo(setup.ServiceUser, strings.TrimSpace(string(password))), nats.RetryOnFailedConnect(true), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	callouttest.EventuallyWithin(t, upTimeout, "the meta group of JetStream has a leader", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err == nil
	})
}

// works reports whether the API still has the key of a user. An answer may be lost.
func (p *population) works(t *testing.T, node int, user string) bool {
	t.Helper()
	keys, err := p.site.client(t, node).Keys(t.Context(), user)
	if err != nil {
		return true // not known
	}
	for i := range keys.Keys {
		if keys.Keys[i].Name == "a" {
			return true
		}
	}
	return false
}
