package projectstreams_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/checkup/finding"
	"usher/app/checkup/projectstreams"
	"usher/app/config"
	"usher/app/messages/streams"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/issuer/operator"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

type site struct {
	t       *testing.T
	js      jetstream.JetStream
	cluster *operator.Cluster
	servers []operator.Server
	service *streams.Service
}

func newSite(t *testing.T) *site {
	t.Helper()
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: callouttest.NewKeys(t), Sealed: true})
	js, err := jetstream.New(srv.Connect(t, callouttest.AdminUser))
	callouttest.Must(t, err)
	cluster := operator.NewCluster(srv.Connect(t, callouttest.SystemUser), 0)
	servers, err := cluster.Servers(t.Context())
	callouttest.Must(t, err)
	return &site{
		t: t, js: js, cluster: cluster, servers: servers,
		service: streams.New(streams.Config{
			JetStream: func(context.Context, string) (jetstream.JetStream, error) { return js, nil },
			Replicas:  1, Storage: jetstream.MemoryStorage, MaxBytes: -1, Log: slog.New(slog.DiscardHandler),
		}),
	}
}

// check returns the findings as lines.
func (s *site) check(mode string, snap *snapshot.Snapshot) string {
	s.t.Helper()
	all, err := s.cluster.Streams(s.t.Context(), s.servers)
	callouttest.Must(s.t, err)
	cfg := &config.Config{}
	cfg.Projects.Streams = mode
	var f finding.List
	projectstreams.Check(&f, cfg, snap, func(account string) []operator.Stream { return all[account] })
	var b strings.Builder
	for _, x := range f {
		fmt.Fprintf(&b, "%s %s: %s\n", x.Severity, x.Where, x.Detail)
	}
	return b.String()
}

// apply brings JetStream in step with a directory.
func (s *site) apply(snap *snapshot.Snapshot) {
	s.t.Helper()
	for p := range snap.Projects() {
		callouttest.Must(s.t, s.service.Apply(s.t.Context(), &streams.Target{Project: p, Revision: snap.Latest(), Clean: true}))
	}
}

func directoryOf(t *testing.T, topics []string, subs ...directory.Subscription) *snapshot.Snapshot {
	t.Helper()
	p := directory.Project{ID: uuid.UUID{1}, Name: "shop", Account: callouttest.AppAccount, Subscriptions: subs}
	for _, name := range topics {
		p.Topics = append(p.Topics, directory.Topic{Name: name})
	}
	s, err := snapshot.New(directory.Records{Projects: []directory.Project{p}})
	callouttest.Must(t, err)
	return s
}

func (s *site) expect(mode string, snap *snapshot.Snapshot, want ...string) {
	s.t.Helper()
	got := s.check(mode, snap)
	for _, line := range want {
		if !strings.Contains(got, line) {
			s.t.Errorf("%s: %q is missing in\n%s", mode, line, got)
		}
	}
	if strings.Count(got, "\n") != len(want) {
		s.t.Errorf("%s: expected %d findings:\n%s", mode, len(want), got)
	}
}

const inStep = "ok : 1 project: streams and consumers are as the directory says"

// TestCheck: check says what JetStream lacks, in both modes.
func TestCheck(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one := directoryOf(t, []string{"orders"}, directory.Subscription{Name: "billing", Topic: "orders"})
	s.expect(config.StreamsManaged, one,
		"warning APP: shop: not done yet: create stream shop with shop._dead.>, shop.orders",
		"warning APP: shop billing: not done yet: create consumer billing of stream shop for shop.orders")
	s.expect(config.StreamsManual, one, "warning APP: shop: there is no stream shop, so nobody can consume its subscriptions")
	s.expect(config.StreamsManual, directoryOf(t, []string{"orders"}), inStep)
	s.apply(one)
	s.expect(config.StreamsManaged, one, inStep)
	s.expect(config.StreamsManual, one, inStep)
	more := directoryOf(t, []string{"orders", "returns"},
		directory.Subscription{Name: "billing", Topic: "orders", AckDeadline: 20}, directory.Subscription{Name: "audit", Topic: "returns"})
	s.expect(config.StreamsManaged, more, "stream shop: add shop.returns", "create consumer audit", "AckWait 20s in place of 10s")
	s.expect(config.StreamsManual, more, "no stream stores shop.returns", "stream shop has no consumer audit", "AckWait 20s in place of 10s")
	_, err := s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"shop.returns"}})
	callouttest.Must(t, err)
	s.expect(config.StreamsManaged, more, "error APP: shop: stream other stores shop.returns, which overlaps shop.returns")
	_, err = s.js.Publish(t.Context(), "shop.orders", nil)
	callouttest.Must(t, err)
	s.expect(config.StreamsManaged, directoryOf(t, []string{"orders"}), "warning APP: shop billing: the directory has no subscription billing any more, but its consumer has 1 message")
}

// TestAppliedIsInStep: whatever changes in the directory, check finds nothing once it was
// applied.
func TestAppliedIsInStep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rnd := rand.New(rand.NewPCG(1, 6))
	names := []string{"a", "b", "c", "d"}
	for range 25 {
		var topics []string
		var subs []directory.Subscription
		for _, name := range names {
			if rnd.IntN(2) == 0 {
				topics = append(topics, name)
			}
		}
		for _, name := range names {
			if len(topics) > 0 && rnd.IntN(2) == 0 {
				subs = append(subs, directory.Subscription{Name: name, Topic: topics[rnd.IntN(len(topics))], AckDeadline: rnd.IntN(3) * 30})
			}
		}
		snap := directoryOf(t, slices.Clone(topics), subs...)
		s.apply(snap)
		s.expect(config.StreamsManaged, snap, inStep)
		s.expect(config.StreamsManual, snap, inStep)
	}
}
