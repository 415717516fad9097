package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/store"
	"usher/directory"
)

func TestPublishKeepsOrder(t *testing.T) {
	t.Parallel()
	f := start(t)
	var texts []string
	for i := range 500 {
		texts = append(texts, fmt.Sprint("message ", i))
	}
	ids := f.publish(t, texts...)
	for i, id := range ids {
		if id != fmt.Sprint(i+1) {
			t.Fatalf("id %d is %s", i, id)
		}
	}
	for i, m := range f.pull(t, len(texts)) {
		if m.ID != ids[i] || string(m.Data) != texts[i] || m.Published.IsZero() || m.Delivery.Count != 1 {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	if ids, err := f.Publish(f.ctx(t), f.topic, nil); len(ids) != 0 || err != nil {
		t.Errorf("no messages: %v, %v", ids, err)
	}
}

// Batches that are larger than what may be in flight are published in parts.
func TestPublishMoreThanInFlight(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.Store = store.New(store.Config{Accounts: plain{f.conn}, Now: f.now, MaxInFlight: 7})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			ids, err := f.Publish(f.ctx(t), f.topic, make([]messages.Message, 100))
			if err != nil || len(ids) != 100 || !slices.IsSortedFunc(ids, func(a, b string) int { return len(a) - len(b) }) {
				t.Errorf("ids %v, %v", ids, err)
			}
		})
	}
	all.Wait()
	f.pull(t, 400)
	f.nothing(t)
}

func TestPublishAgain(t *testing.T) {
	t.Parallel()
	f := start(t)
	batch := []messages.Message{{Data: []byte("a"), DedupeID: "1"}, {Data: []byte("b"), DedupeID: "2"}}
	first, err := f.Publish(f.ctx(t), f.topic, batch)
	must(t, err)
	again, err := f.Publish(f.ctx(t), f.topic, append(batch, messages.Message{Data: []byte("c"), DedupeID: "3"}))
	must(t, err)
	if !slices.Equal(again, []string{first[0], first[1], "3"}) {
		t.Errorf("ids %v, then %v", first, again)
	}
	if got := f.pull(t, 3); string(got[2].Data) != "c" || got[0].Attributes != nil {
		t.Errorf("got %+v", got)
	}
	f.nothing(t)
}

func TestPublishFails(t *testing.T) {
	t.Parallel()
	f := start(t, func(f *fixture) { f.stream.MaxMsgs, f.stream.MaxMsgSize = 3, 1000 })
	one := func(data string, attributes map[string]string) error {
		_, err := f.Publish(f.ctx(t), f.topic, []messages.Message{{Data: []byte("small")}, {Data: []byte(data), Attributes: attributes}})
		return err
	}
	state := func() uint64 {
		s, err := f.TopicState(f.ctx(t), f.topic)
		must(t, err)
		return s.Messages
	}
	large := strings.Repeat("x", 1<<20+1)
	for name, err := range map[string]error{
		"data":      one(large, nil),
		"together":  one(large[:1<<20], map[string]string{"a": "b"}),
		"attribute": one("", map[string]string{"a": large[:1<<16]}),
	} {
		if !errors.Is(err, messages.ErrTooLarge) || state() != 0 {
			t.Errorf("%s too large: %v, %d stored", name, err, state())
		}
	}
	if err := one(large[:1001], nil); !errors.Is(err, messages.ErrTooLarge) {
		t.Errorf("too large for the stream: %v", err)
	}
	must(t, one("last", nil))
	if err := one("more", nil); !errors.Is(err, messages.ErrFull) {
		t.Errorf("full: %v", err)
	}
	f.topic.Topic = &directory.Topic{Name: "no", Subject: "P.no"}
	if err := one("a", nil); !errors.Is(err, messages.ErrNoStream) {
		t.Errorf("subject without stream: %v", err)
	}
	_, err := f.other.CreateStream(f.ctx(t), jetstream.StreamConfig{Name: "other", Subjects: []string{"P.no"}})
	must(t, err)
	if err := one("a", nil); !errors.Is(err, messages.ErrNoStream) {
		t.Errorf("another stream has the subject: %v", err)
	}
}

func TestPublishEndsWithContext(t *testing.T) {
	t.Parallel()
	f := start(t)
	// Nobody answers: a subscriber has the subject, and no stream.
	f.topic.Topic = &directory.Topic{Name: "no", Subject: "P.no"}
	ctx, cancel := context.WithCancel(f.ctx(t))
	sub, err := f.other.Conn().Subscribe("P.no", func(*nats.Msg) { cancel() })
	must(t, err)
	must(t, f.other.Conn().Flush())
	_, err = f.Publish(ctx, f.topic, make([]messages.Message, 1))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	must(t, sub.Unsubscribe())
	// A subscriber that answers is no stream either.
	sub, err = f.other.Conn().Subscribe("P.no", func(m *nats.Msg) { _ = m.Respond([]byte("hello")) })
	must(t, err)
	must(t, f.other.Conn().Flush())
	if ids, err := f.Publish(f.ctx(t), f.topic, make([]messages.Message, 1)); err == nil {
		t.Errorf("ids %v", ids)
	}
	must(t, sub.Unsubscribe())
}

// What is published while the server is away is not kept to be sent later.
func TestPublishWhileDisconnected(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.server.Shutdown()
	for f.conn.IsConnected() {
		if f.ctx(t).Err() != nil {
			t.Fatal("still connected")
		}
	}
	if _, err := f.Publish(f.ctx(t), f.topic, make([]messages.Message, 1)); err == nil {
		t.Error("published")
	}
	if _, err := f.Pull(f.ctx(t), f.sub, 1, 1<<20, 0); err == nil {
		t.Error("pulled")
	}
	if f.conn.Stats().OutMsgs != 0 {
		t.Error("kept to be sent later")
	}
}

// outage has no connection, and waits for one.
type outage struct{ plain }

func (outage) Conn(ctx context.Context, _ string) (*nats.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Who calls hears of an outage before its own time is over.
func TestOutage(t *testing.T) {
	t.Parallel()
	var f fixture
	f.refer()
	s := store.New(store.Config{Accounts: outage{}, Now: time.Now, Timeout: time.Millisecond})
	ctx := f.ctx(t)
	if _, err := s.Publish(ctx, f.topic, make([]messages.Message, 1)); err == nil || ctx.Err() != nil {
		t.Errorf("publish: %v", err)
	}
	if _, err := s.Pull(ctx, f.sub, 1, 1<<20, timeout); err == nil || ctx.Err() != nil {
		t.Errorf("pull: %v", err)
	}
}

// NATS clients and the Store read what the other has published.
func TestFourWays(t *testing.T) {
	t.Parallel()
	f := start(t)
	n := f.consume(t, "N", func(*jetstream.ConsumerConfig) {})
	_, err := f.Publish(f.ctx(t), f.topic, []messages.Message{{Data: []byte("store"), Attributes: map[string]string{"By": "store", "ä": "\r\n"}}})
	must(t, err)
	_, err = f.other.PublishMsg(f.ctx(t), &nats.Msg{
		Subject: "P.T", Data: []byte{0, 255, 13, 10},
		Header: nats.Header{"By": {"nats.go", "second"}, "Nats-Msg-Id": {"1"}},
	})
	must(t, err)

	got := f.pull(t, 2)
	if a := got[0].Attributes; len(a) != 2 || a["By"] != "store" || a["ä"] != "\r\n" {
		t.Errorf("store to store: %v", a)
	}
	if a := got[1].Attributes; len(a) != 1 || a["By"] != "nats.go" || !bytes.Equal(got[1].Data, []byte{0, 255, 13, 10}) {
		t.Errorf("nats.go to store: %v %v", a, got[1].Data)
	}
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got)))

	batch, err := n.Fetch(2)
	must(t, err)
	var headers []nats.Header
	for m := range batch.Messages() {
		headers = append(headers, m.Headers())
		must(t, m.DoubleAck(f.ctx(t)))
	}
	if len(headers) != 2 || headers[0].Get("By") != "store" || headers[0].Get("Usher-Attributes") != `{"\u00e4":"\r\n"}` || headers[1].Get("By") != "nats.go" {
		t.Errorf("to nats.go: %q", headers)
	}
}
