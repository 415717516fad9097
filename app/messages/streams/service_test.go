package streams_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/messages/streams"
	"usher/callout/callouttest"
)

// TestKeep: the stream and the consumers follow the directory, a second time there is nothing
// to do, and what an operator has set stays.
func TestKeep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.service()
	keep := func(topics, subs []string) {
		t.Helper()
		p := project(t, topics, subs)
		target := &streams.Target{Project: p, Revision: 1, Clean: true}
		callouttest.Must(t, v.Keep(t.Context(), p, 1))
		callouttest.Must(t, v.Apply(t.Context(), target))
		steps, err := v.Plan(t.Context(), target)
		callouttest.Must(t, err)
		if len(steps) != 0 {
			t.Errorf("left to do: %v", steps)
		}
	}
	keep([]string{"orders", "prices=market.prices"}, []string{"billing:orders", "slow:prices:600"})
	info := s.stream()
	if want := []string{"P._dead.>", "P.orders", "market.prices"}; !slices.Equal(info.Config.Subjects, want) || info.Config.Discard != jetstream.DiscardNew {
		t.Errorf("%+v", info.Config)
	}
	c := s.consumer("billing").Config
	if c.FilterSubject != "P.orders" || c.AckWait != 10*time.Second || c.AckPolicy != jetstream.AckExplicitPolicy || c.DeliverPolicy != jetstream.DeliverNewPolicy {
		t.Errorf("%+v", c)
	}
	edited := info.Config
	edited.MaxAge, edited.Description = time.Hour, "mine"
	_, err := s.js["A"].UpdateStream(t.Context(), edited)
	callouttest.Must(t, err)
	c.MaxAckPending, c.MaxDeliver = 7, 9
	_, err = s.js["A"].UpdateConsumer(t.Context(), "P", c)
	callouttest.Must(t, err)
	s.publish("P.orders", 3)
	keep([]string{"orders=shop.orders", "prices=market.prices", "new"}, []string{"billing:orders:77", "slow:prices:600", "more:new"})
	info = s.stream()
	if info.Config.MaxAge != time.Hour || info.Config.Description != "mine" || info.State.Msgs != 3 || !slices.Contains(info.Config.Subjects, "shop.orders") {
		t.Errorf("%+v %+v", info.Config, info.State)
	}
	c = s.consumer("billing").Config
	if c.FilterSubject != "shop.orders" || c.AckWait != 77*time.Second || c.MaxAckPending != 7 || c.MaxDeliver != 9 {
		t.Errorf("%+v", c)
	}
	s.publish("shop.orders", 2)
	// The server counts for consumers after it has acknowledged the message.
	callouttest.Eventually(t, "both are pending", func() bool { return s.consumer("billing").NumPending == 2 })
}

// TestAdopt: a stream and consumers of a fitting form that somebody else made are taken over
// as they are, and consumers that are no subscription stay.
func TestAdopt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	js := s.js["A"]
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "P", Subjects: []string{"P.>"}, Retention: jetstream.InterestPolicy, MaxMsgs: 100})
	callouttest.Must(t, err)
	for _, c := range []jetstream.ConsumerConfig{
		{Durable: "billing", FilterSubject: "P.orders", AckPolicy: jetstream.AckExplicitPolicy},
		{Durable: "private", AckPolicy: jetstream.AckNonePolicy},
		{Durable: "push", FilterSubject: "P.orders", AckPolicy: jetstream.AckExplicitPolicy, DeliverSubject: "somewhere"},
		{Durable: "other", FilterSubject: "P.x", AckPolicy: jetstream.AckExplicitPolicy},
		{Durable: "none", FilterSubject: "P.orders", AckPolicy: jetstream.AckAllPolicy},
	} {
		_, err := js.CreateOrUpdateConsumer(t.Context(), "P", c)
		if c.DeliverSubject != "" {
			_, err = js.CreateOrUpdatePushConsumer(t.Context(), "P", c)
		}
		callouttest.Must(t, err)
	}
	p := project(t, []string{"orders"}, []string{"billing:orders:20", "push:orders", "other:orders", "none:orders"})
	err = s.service().Keep(t.Context(), p, 1)
	if !errors.Is(err, streams.ErrConflict) {
		t.Fatal(err)
	}
	for _, want := range []string{"consumer push is a push consumer", "consumer other reads P.x, not P.orders of topic orders", "consumer none has ack policy all", "nats consumer rm P none"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	info := s.stream()
	if !slices.Equal(info.Config.Subjects, []string{"P.>"}) || info.Config.Retention != jetstream.InterestPolicy || info.Config.Metadata["usher_project"] != p.ID.String() {
		t.Errorf("%+v", info.Config)
	}
	if c := s.consumer("billing").Config; c.AckWait != 20*time.Second || c.DeliverPolicy != jetstream.DeliverAllPolicy {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"private", "other", "none"} {
		if !s.has("P", name) {
			t.Errorf("%s is gone", name)
		}
	}
	if c := s.consumer("other").Config; c.FilterSubject != "P.x" || len(c.Metadata) > 0 && c.Metadata["usher_project"] != "" {
		t.Errorf("%+v", c)
	}
}

// TestConflictsOfStreams: a stream that cannot be the project's stays as it is.
func TestConflictsOfStreams(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	js, v := s.js["A"], s.service()
	refused := func(name string, c jetstream.StreamConfig, want string) {
		t.Helper()
		p := *projectNamed(t, name, []string{"orders"}, []string{"billing:orders"})
		p.ID = uuid.NewSHA1(uuid.Nil, []byte(name))
		before, err := js.CreateStream(t.Context(), c)
		callouttest.Must(t, err)
		err = v.Keep(t.Context(), &p, 1)
		if !errors.Is(err, streams.ErrConflict) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		info, err := before.Info(t.Context())
		callouttest.Must(t, err)
		if !slices.Equal(info.Config.Subjects, before.CachedInfo().Config.Subjects) {
			t.Errorf("%s: %+v", name, info.Config)
		}
	}
	refused("N", jetstream.StreamConfig{Name: "N", Subjects: []string{"N.>"}, NoAck: true}, "acknowledges no messages")
	refused("M", jetstream.StreamConfig{Name: "M", Mirror: &jetstream.StreamSource{Name: "N"}}, "is a mirror")
	refused("W", jetstream.StreamConfig{Name: "W", Subjects: []string{"W.*", "W._dead.*"}}, "has subject W._dead.*, which overlaps W._dead.> of the project without including it")
	refused("X", jetstream.StreamConfig{Name: "elsewhere", Subjects: []string{"X.*"}}, "stream elsewhere stores X.*, which overlaps X.orders")
}

// TestOtherProjectsMessages: a project that has the name of a former one does not get its
// messages.
func TestOtherProjectsMessages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.service()
	former := project(t, []string{"orders"}, nil)
	callouttest.Must(t, v.Keep(t.Context(), former, 1))
	next := *former
	next.ID = uuid.New()
	s.publish("P.orders", 1)
	if err := v.Keep(t.Context(), &next, 2); !errors.Is(err, streams.ErrConflict) || !strings.Contains(err.Error(), "1 message of another project") {
		t.Error(err)
	}
	stream, err := s.js["A"].Stream(t.Context(), "P")
	callouttest.Must(t, err)
	callouttest.Must(t, stream.Purge(t.Context()))
	callouttest.Must(t, v.Keep(t.Context(), &next, 2))
}

// TestRenamed: a renamed project takes its subjects along, and leaves its messages.
func TestRenamed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.service()
	topics, subs := []string{"orders", "prices=market.prices"}, []string{"s:prices"}
	callouttest.Must(t, v.Keep(t.Context(), project(t, topics, subs), 1))
	s.publish("market.prices", 2)
	callouttest.Must(t, v.Keep(t.Context(), projectNamed(t, "Q", topics, subs), 2))
	if info := s.stream(); slices.Contains(info.Config.Subjects, "market.prices") || info.State.Msgs != 2 {
		t.Errorf("%+v", info)
	}
	if !s.has("Q", "s") {
		t.Error("no consumer")
	}
}

// TestRemove: only what the project owns is counted and deleted.
func TestRemove(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.service()
	p := project(t, []string{"orders", "prices", "idle"}, []string{"billing:orders", "idle:idle"})
	callouttest.Must(t, v.Keep(t.Context(), p, 1))
	s.publish("P.orders", 3)
	s.publish("P.prices", 4)
	loses := func(topic, sub string, want uint64) {
		t.Helper()
		got, err := v.WouldLose(t.Context(), p, topic, sub)
		if err != nil || got != want {
			t.Errorf("%s %s: %d %v, want %d", topic, sub, got, err, want)
		}
	}
	loses("", "billing", 3)
	loses("", "idle", 0)
	loses("prices", "", 4)
	loses("idle", "", 0)
	loses("", "", 7)
	c, err := s.js["A"].Consumer(t.Context(), "P", "billing")
	callouttest.Must(t, err)
	m, err := c.Next()
	callouttest.Must(t, err)
	loses("", "billing", 3) // out for acknowledgement
	callouttest.Must(t, m.DoubleAck(t.Context()))
	loses("", "billing", 2)
	callouttest.Must(t, v.Remove(t.Context(), p, "", "billing", 2))
	callouttest.Must(t, v.Remove(t.Context(), p, "", "billing", 2)) // again
	if s.has("P", "billing") {
		t.Error("the consumer is there")
	}
	callouttest.Must(t, v.Remove(t.Context(), p, "prices", "", 3))
	if info := s.stream(); info.State.Msgs != 3 || slices.Contains(info.Config.Subjects, "P.prices") || info.Config.Metadata["usher_revision"] != "3" {
		t.Errorf("%+v", info)
	}
	former := *p
	former.ID = uuid.New()
	callouttest.Must(t, v.Remove(t.Context(), &former, "", "", 4))
	s.stream()
	callouttest.Must(t, v.Remove(t.Context(), p, "", "", 4))
	if _, err := s.js["A"].Stream(t.Context(), "P"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Error(err)
	}
	loses("", "", 0)
}

// TestAtOnce: several ushers that do the same at once do no harm.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := project(t, []string{"a", "b"}, []string{"x:a", "y:b", "z:a"})
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		wg.Go(func() { errs <- s.service().Keep(t.Context(), p, 1) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		callouttest.Must(t, err)
	}
	steps, err := s.service().Plan(t.Context(), &streams.Target{Project: p, Clean: true, Revision: 1})
	if err != nil || len(steps) != 0 {
		t.Errorf("%v %v", steps, err)
	}
}
