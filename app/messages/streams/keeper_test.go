package streams_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/messages/streams"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// keeper runs a Keeper over a directory until the test ends.
func (s *site) keeper(dir *atomic.Pointer[snapshot.Snapshot], jetStream func(context.Context, string) (jetstream.JetStream, error)) *streams.Keeper {
	s.t.Helper()
	k := streams.NewKeeper(streams.KeeperConfig{
		Service: streams.New(streams.Config{
			JetStream: jetStream, Replicas: 1, Storage: jetstream.MemoryStorage, MaxBytes: -1, Log: slog.New(slog.DiscardHandler),
		}),
		Snapshot: dir.Load, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { k.Run(ctx) })
	s.t.Cleanup(func() { stop(); wg.Wait() })
	return k
}

// TestKeepers: random directories, each applied by two ushers at once of which one sees it
// later, end with nothing left to do but what an operator must decide.
func TestKeepers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rnd := rand.New(rand.NewPCG(16, 0))
	var dirs [2]atomic.Pointer[snapshot.Snapshot]
	var keepers [2]*streams.Keeper
	next := randomDirectory(t, rnd, 1)
	for i := range keepers {
		dirs[i].Store(next)
		keepers[i] = s.keeper(&dirs[i], s.jetStream)
	}
	v := s.service()
	for revision := uint64(2); revision < 25; revision++ {
		next = randomDirectory(t, rnd, revision)
		for i, k := range keepers {
			dirs[i].Store(next)
			k.Changed()
			if rnd.IntN(2) == 0 {
				callouttest.Eventually(t, "one is in step before the other begins", func() bool { return k.Status().Waiting == 0 })
			}
		}
	}
	callouttest.Eventually(t, "both are in step", func() bool {
		return keepers[0].Status().Waiting == 0 && keepers[1].Status().Waiting == 0 && planned(t, v, next) == 0
	})
	for _, k := range keepers {
		if st := k.Status(); st.Failing > 0 {
			t.Errorf("%+v", st)
		}
	}
}

// planned counts the steps that are left for all projects of a directory.
func planned(t *testing.T, v *streams.Service, s *snapshot.Snapshot) int {
	t.Helper()
	n := 0
	for p := range s.Projects() {
		steps, err := v.Plan(t.Context(), &streams.Target{Project: p, Revision: s.Latest(), Clean: true})
		callouttest.Must(t, err)
		n += len(steps)
	}
	return n
}

// randomDirectory returns a directory with projects in accounts A and B.
func randomDirectory(t *testing.T, rnd *rand.Rand, revision uint64) *snapshot.Snapshot {
	t.Helper()
	var r directory.Records
	for i := range 4 {
		p := directory.Project{
			ID: uuid.UUID{byte(i + 1)}, Name: "P" + strconv.Itoa(i), Account: []string{"A", "B"}[i%2], Revision: revision,
		}
		topics := rnd.IntN(4)
		for j := range topics {
			topic := directory.Topic{Name: "t" + strconv.Itoa(j)}
			if rnd.IntN(3) == 0 {
				topic.Subject = p.Name + ".other." + strconv.Itoa(rnd.IntN(3)) + "." + topic.Name
			}
			p.Topics = append(p.Topics, topic)
		}
		for j := range rnd.IntN(4) {
			if topics > 0 {
				p.Subscriptions = append(p.Subscriptions, directory.Subscription{
					Name: "s" + strconv.Itoa(j), Topic: "t" + strconv.Itoa(rnd.IntN(topics)), AckDeadline: rnd.IntN(3) * 10,
				})
			}
		}
		r.Projects = append(r.Projects, p)
	}
	s, err := snapshot.New(r)
	callouttest.Must(t, err)
	return s
}

// TestLeftConsumer: the consumer of a subscription that is gone stays while it has messages.
func TestLeftConsumer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.service()
	callouttest.Must(t, v.Keep(t.Context(), project(t, []string{"a"}, []string{"x:a", "y:a"}), 1))
	s.publish("P.a", 1)
	c, err := s.js["A"].Consumer(t.Context(), "P", "y")
	callouttest.Must(t, err)
	m, err := c.Next()
	callouttest.Must(t, err)
	callouttest.Must(t, m.DoubleAck(t.Context()))
	target := &streams.Target{Project: project(t, []string{"a"}, nil), Revision: 1, Clean: true}
	callouttest.Must(t, v.Apply(t.Context(), target))
	if !s.has("P", "x") || s.has("P", "y") {
		t.Error("expected x to stay and y to go")
	}
	steps, err := v.Plan(t.Context(), target)
	callouttest.Must(t, err)
	if len(steps) != 1 || steps[0].Action != streams.Left {
		t.Errorf("%v", steps)
	}
}

// TestOlderDirectory: an usher with an older directory leaves alone what a newer one has made.
func TestOlderDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.service()
	callouttest.Must(t, v.Keep(t.Context(), project(t, []string{"a", "b"}, []string{"x:b"}), 7))
	older := project(t, []string{"a"}, nil)
	err := v.Apply(t.Context(), &streams.Target{Project: older, Revision: 6, Clean: true})
	if err != streams.ErrStale || !s.has("P", "x") { //nolint:errorlint // exactly this
		t.Error(err)
	}
	callouttest.Must(t, v.Apply(t.Context(), &streams.Target{Project: older, Revision: 6, Clean: true, Force: true}))
	if s.has("P", "x") {
		t.Error("x is there")
	}
}

// TestSlowAccount: accounts that do not answer hold no other, and are done once they answer.
func TestSlowAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	directoryWith := func(more ...directory.Project) *snapshot.Snapshot {
		r := directory.Records{Projects: more}
		for i := range 40 { // more than there are slots
			name := "slow" + strconv.Itoa(i)
			r.Projects = append(r.Projects, directory.Project{Name: name, Account: name, Topics: []directory.Topic{{Name: "t"}}})
		}
		out, err := snapshot.New(r)
		callouttest.Must(t, err)
		return out
	}
	var dir atomic.Pointer[snapshot.Snapshot]
	dir.Store(directoryWith())
	var answers atomic.Bool
	k := s.keeper(&dir, func(_ context.Context, account string) (jetstream.JetStream, error) {
		if account == "A" {
			return s.js["A"], nil
		}
		if !answers.Load() {
			return nil, errNoAccount
		}
		return s.js["B"], nil
	})
	callouttest.Eventually(t, "all have failed", func() bool { return k.Status().Failing == 40 })
	dir.Store(directoryWith(directory.Project{Name: "P", Account: "A", Topics: []directory.Topic{{Name: "t"}}}))
	k.Changed()
	callouttest.Eventually(t, "the other account is done", func() bool { return k.Status().InStep == 1 })
	s.stream()
	answers.Store(true)
	callouttest.Eventually(t, "all are done", func() bool { return k.Status().InStep == 41 })
}
