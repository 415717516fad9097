package jssource_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"usher/app/push"
	"usher/app/push/jssource"
	"usher/callout/callouttest"
	"usher/internal/budget"
)

// Large messages that an endpoint does not take fill no memory, and all are pushed later.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	const (
		count = 48
		size  = 900_000
	)
	h := newHarness(t)
	data := []byte(strings.Repeat("x", size))
	for range count {
		_, err := h.js.Publish(t.Context(), "P.T", data)
		callouttest.Must(t, err)
	}
	s := h.source(h.js)
	var open []push.Message // by requests that hang
	next := func() int {
		t.Helper()
		m, err := s.Next(t.Context(), 10_000)
		callouttest.Must(t, err)
		open = append(open, m...)
		sum := 0
		for i := range m {
			sum += len(m[i].Data)
		}
		if sum > 2<<20 {
			t.Errorf("%d bytes at once", sum)
		}
		return len(m)
	}
	for range 3 {
		next()
	}
	// It asks for no more than it may hold.
	callouttest.Eventually(t, "it holds what it may", func() bool {
		c, err := h.js.Consumer(t.Context(), "P", "S")
		callouttest.Must(t, err)
		held, paid := s.Bytes()
		if out := c.CachedInfo().NumAckPending; paid > 9<<20 || out > 12 {
			t.Fatalf("holds %d bytes, has paid for %d, %d messages are out", held, paid, out)
		}
		return held == paid && held > 6<<20
	})
	got := len(open)
	for got < count {
		callouttest.Must(t, s.Acknowledge(t.Context(), open))
		open = nil
		got += next()
	}
	callouttest.Must(t, s.Acknowledge(t.Context(), open))
	h.eventuallyAcked(count)
	callouttest.Eventually(t, "nothing is held", func() bool {
		held, paid := s.Bytes()
		return held == 0 && paid == 0
	})
}

// What slow endpoints of one project hold leaves memory for another project, also where all its
// sources waited when large messages came.
func TestShares(t *testing.T) {
	t.Parallel()
	const limit = 8 << 20
	h := newHarness(t)
	_, err := h.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "V", Subjects: []string{"V.>"}, Storage: jetstream.MemoryStorage})
	callouttest.Must(t, err)
	_, err = h.js.CreateConsumer(t.Context(), "V", jetstream.ConsumerConfig{Durable: "S", AckPolicy: jetstream.AckExplicitPolicy})
	callouttest.Must(t, err)
	shared, messages := budget.New(limit), newStore(h.js)
	source := func(project, consumer string, ordered bool) *jssource.Source {
		s := jssource.New(jssource.Config{
			JetStream: func(context.Context) (jetstream.JetStream, error) { return h.js, nil },
			Store:     messages, Subscription: ref(project, consumer), AckWait: ackWait, Ordered: ordered, Budget: shared,
		})
		t.Cleanup(s.Close)
		return s
	}
	const count = 12
	sources := make([]*jssource.Source, count)
	got := make(chan struct{}, 5*count)
	for i := range sources {
		name := "slow-" + strconv.Itoa(i)
		h.consumer(name)
		sources[i] = source("P", name, i%2 == 0)
	}
	held := func() (sum int) {
		for _, s := range sources {
			_, paid := s.Bytes()
			sum += paid
		}
		return sum
	}
	const large = 4
	release := make(chan struct{})
	var all errgroup.Group
	for _, s := range sources {
		all.Go(func() error {
			for n := 0; n < 1+large; { // a small one first
				m, err := s.Next(t.Context(), 100)
				if err != nil {
					return err
				}
				if n += len(m); n > 1 {
					got <- struct{}{}
					<-release
				}
				if err := s.Acknowledge(t.Context(), m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	h.publish(1, 1)
	h.eventuallyWait(count)
	for range large {
		_, err := h.js.Publish(t.Context(), "P.T", make([]byte, 900_000))
		callouttest.Must(t, err)
	}
	callouttest.Eventually(t, "some have messages", func() bool { return len(got) > 0 && held() > limit/4 })
	victim := source("V", "S", true)
	_, err = h.js.Publish(t.Context(), "V.T", make([]byte, 100_000))
	callouttest.Must(t, err)
	next(t, victim, 1)
	if n := held(); n > limit/2 {
		t.Errorf("one project holds %d bytes of %d", n, limit)
	}
	close(release)
	callouttest.Must(t, all.Wait()) // each has got all
}
