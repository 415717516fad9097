package callout_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
)

func mustCreateStream(t *testing.T, admin *nats.Conn, name string, subjects []string, durables ...string) {
	t.Helper()
	js := jetStream(t, admin)
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: subjects, AllowDirect: true})
	callouttest.Must(t, err)
	for _, d := range durables {
		_, err := js.CreateConsumer(t.Context(), name, jetstream.ConsumerConfig{Durable: d, AckPolicy: jetstream.AckExplicitPolicy})
		callouttest.Must(t, err)
	}
}

func jetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	return js
}

// shortContext returns a context for requests that must fail: the server does not answer
// a forbidden request, so the client times out.
func shortContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func inbox(user string) nats.Option { return nats.CustomInboxPrefix("_INBOX_" + user) }

func TestJetStreamPublisherAndConsumer(t *testing.T) {
	t.Parallel() // mostly waits
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		admin := s.createStreams(t)
		publisher := jetStream(t, s.connect(t, "publisher-key", inbox("publisher"), ignoreErrors()))
		for _, subject := range []string{"shop.orders", "shop.market.prices"} {
			ack, err := publisher.Publish(t.Context(), subject, []byte(subject))
			callouttest.Must(t, err)
			if ack.Stream != "shop" {
				t.Errorf("%s went to stream %s", subject, ack.Stream)
			}
		}
		for _, subject := range []string{"shop.returns", "lab.results"} {
			if _, err := publisher.Publish(shortContext(t), subject, nil); err == nil {
				t.Errorf("the publisher got an ack for %s", subject)
			}
		}
		for _, stream := range []string{"shop", "lab"} {
			if _, err := publisher.Stream(shortContext(t), stream); err == nil {
				t.Errorf("the publisher can read stream %s", stream)
			}
		}
		if _, err := publisher.Consumer(shortContext(t), "shop", "billing"); err == nil {
			t.Error("the publisher can read the consumer")
		}

		consumer := jetStream(t, s.connect(t, "consumer-key", inbox("consumer"), ignoreErrors()))
		billing, err := consumer.Consumer(t.Context(), "shop", "billing")
		callouttest.Must(t, err)
		if got := fetch(t, billing, 2); !slices.Equal(got, []string{"shop.orders", "shop.market.prices"}) {
			t.Errorf("fetched %q", got)
		}
		for _, c := range [][2]string{{"shop", "audit"}, {"lab", "reader"}} {
			if _, err := consumer.Consumer(shortContext(t), c[0], c[1]); err == nil {
				t.Errorf("the consumer can read %s of stream %s", c[1], c[0])
			}
		}
		if _, err := consumer.Publish(shortContext(t), "shop.orders", nil); err == nil {
			t.Error("the consumer got an ack for shop.orders")
		}

		// The acks are effective, and the refused messages are not stored.
		adminJS := jetStream(t, admin)
		assertPending(t, adminJS, "billing", 0, 0)
		assertPending(t, adminJS, "audit", 2, 0)
		lab, err := adminJS.Stream(t.Context(), "lab")
		callouttest.Must(t, err)
		if n := lab.CachedInfo().State.Msgs; n != 0 {
			t.Errorf("stream lab has %d messages", n)
		}
	})
}

// fetch fetches n messages, acknowledges each, and waits for the confirmations.
func fetch(t *testing.T, c jetstream.Consumer, n int) []string {
	t.Helper()
	batch, err := c.Fetch(n, jetstream.FetchMaxWait(testTimeout))
	callouttest.Must(t, err)
	var bodies []string
	for m := range batch.Messages() {
		bodies = append(bodies, string(m.Data()))
		callouttest.Must(t, m.DoubleAck(t.Context()))
	}
	callouttest.Must(t, batch.Error())
	return bodies
}

func assertPending(t *testing.T, js jetstream.JetStream, durable string, pending uint64, unacked int) {
	t.Helper()
	c, err := js.Consumer(t.Context(), "shop", durable)
	callouttest.Must(t, err)
	if info := c.CachedInfo(); info.NumPending != pending || info.NumAckPending != unacked {
		t.Errorf("%s: %d pending, %d unacknowledged", durable, info.NumPending, info.NumAckPending)
	}
}

func TestJetStreamProjectAdmin(t *testing.T) {
	t.Parallel() // mostly waits
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		s.createStreams(t)
		// shop is alone in its account. The stream of lab stays in it.
		s.service.SetDirectory(t, callouttest.WithDigests(strings.Replace(callouttest.DirectoryYAML, "name: lab\n    account: APP", "name: lab\n    account: OTHER", 1)))
		js := jetStream(t, s.connect(t, "padmin-key", inbox("padmin"), ignoreErrors()))
		ack, err := js.Publish(t.Context(), "shop.returns", []byte("r"))
		callouttest.Must(t, err)
		stream, err := js.Stream(t.Context(), "shop")
		callouttest.Must(t, err)
		msg, err := stream.GetMsg(t.Context(), ack.Sequence)
		callouttest.Must(t, err)
		if string(msg.Data) != "r" {
			t.Errorf("read %q", msg.Data)
		}
		_, err = stream.GetLastMsgForSubject(t.Context(), "shop.returns")
		callouttest.Must(t, err)
		c, err := stream.CreateOrUpdateConsumer(t.Context(), jetstream.ConsumerConfig{
			Durable: "new", FilterSubject: "shop.returns", AckPolicy: jetstream.AckExplicitPolicy,
		})
		callouttest.Must(t, err)
		if got := fetch(t, c, 1); !slices.Equal(got, []string{"r"}) {
			t.Errorf("fetched %q", got)
		}
		ordered, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
		callouttest.Must(t, err)
		first, err := ordered.Next(jetstream.FetchMaxWait(testTimeout))
		callouttest.Must(t, err)
		if first.Subject() != "shop.returns" {
			t.Errorf("the ordered consumer read %s", first.Subject())
		}
		longFilters(t, js, stream)
		var names []string
		for n := range stream.ConsumerNames(t.Context()).Name() {
			names = append(names, n)
		}
		if !slices.Contains(names, "billing") || !slices.Contains(names, "new") {
			t.Errorf("consumers: %q", names)
		}
		callouttest.Must(t, stream.DeleteConsumer(t.Context(), "new"))
		callouttest.Must(t, stream.DeleteMsg(t.Context(), ack.Sequence))
		callouttest.Must(t, stream.Purge(t.Context()))

		for name, try := range map[string]func() error{
			"see stream lab":       func() error { _, err := js.Stream(shortContext(t), "lab"); return err },
			"publish to lab":       func() error { _, err := js.Publish(shortContext(t), "lab.results", nil); return err },
			"read consumer of lab": func() error { _, err := js.Consumer(shortContext(t), "lab", "reader"); return err },
			"delete stream shop":   func() error { return js.DeleteStream(shortContext(t), "shop") },
			"delete stream lab":    func() error { return js.DeleteStream(shortContext(t), "lab") },
			"delete consumer":      func() error { return js.DeleteConsumer(shortContext(t), "lab", "reader") },
			"create stream":        func() error { return createStream(t, js, "evil", "evil.>") },
			"create stream inside": func() error { return createStream(t, js, "shop2", "shop.>") },
			"change stream":        func() error { return updateStream(t, js, "shop", ">") },
			"create consumer on lab": func() error {
				_, err := js.CreateConsumer(shortContext(t), "lab", jetstream.ConsumerConfig{Durable: "evil"})
				return err
			},
		} {
			if err := try(); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// longFilters consumes a subject of 16 tokens, the maximum in a JetStream API subject, and
// a longer one, which is in the request only.
func longFilters(t *testing.T, js jetstream.JetStream, stream jetstream.Stream) {
	t.Helper()
	longest := "shop" + strings.Repeat(".x", 15)
	for _, subject := range []string{longest, longest + ".x"} {
		_, err := js.Publish(t.Context(), subject, []byte(subject))
		callouttest.Must(t, err)
	}
	for name, config := range map[string]jetstream.ConsumerConfig{
		longest:        {FilterSubject: longest},
		longest + ".x": {FilterSubjects: []string{longest + ".x"}},
	} {
		c, err := stream.CreateConsumer(t.Context(), config)
		callouttest.Must(t, err)
		if got := fetch(t, c, 1); !slices.Equal(got, []string{name}) {
			t.Errorf("fetched %q", got)
		}
	}
	ordered, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"shop.x.>"}})
	callouttest.Must(t, err)
	if m, err := ordered.Next(jetstream.FetchMaxWait(testTimeout)); err != nil || m.Subject() != longest {
		t.Errorf("the ordered consumer: %v", err)
	}
	got, err := stream.GetLastMsgForSubject(t.Context(), longest)
	callouttest.Must(t, err)
	if string(got.Data) != longest {
		t.Errorf("read %q", got.Data)
	}
	if _, err := stream.CreateConsumer(shortContext(t), jetstream.ConsumerConfig{FilterSubject: longest + ".x"}); err == nil {
		t.Error("created a consumer with a filter of 17 tokens in the subject")
	}
}

func createStream(t *testing.T, js jetstream.JetStream, name, subject string) error {
	t.Helper()
	_, err := js.CreateStream(shortContext(t), jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
	return err
}

func updateStream(t *testing.T, js jetstream.JetStream, name, subject string) error {
	t.Helper()
	_, err := js.UpdateStream(shortContext(t), jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
	return err
}
