package jssource_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/store"
	"usher/app/push"
	"usher/app/push/jssource"
	"usher/callout/callouttest"
	"usher/directory"
)

const ackWait = 30 * time.Second

type harness struct {
	t  testing.TB
	js jetstream.JetStream
	c  jetstream.Consumer
}

func newHarness(tb testing.TB) *harness {
	tb.Helper()
	srv := callouttest.RunServerConfig(tb, fmt.Sprintf("listen: 127.0.0.1:-1\njetstream {store_dir: %q}\n", filepath.ToSlash(tb.TempDir())))
	h := &harness{t: tb, js: connect(tb, srv.ClientURL())}
	_, err := h.js.CreateStream(tb.Context(), jetstream.StreamConfig{Name: "P", Subjects: []string{"P.>"}, Storage: jetstream.MemoryStorage})
	callouttest.Must(tb, err)
	h.c = h.consumer("S")
	return h
}

func connect(tb testing.TB, url string) jetstream.JetStream {
	tb.Helper()
	nc, err := nats.Connect(url, nats.Timeout(20*time.Second))
	callouttest.Must(tb, err)
	tb.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	callouttest.Must(tb, err)
	return js
}

func (h *harness) consumer(name string) jetstream.Consumer {
	h.t.Helper()
	c, err := h.js.CreateConsumer(h.t.Context(), "P", jetstream.ConsumerConfig{
		Durable: name, FilterSubject: "P.T", AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 1000,
	})
	callouttest.Must(h.t, err)
	return c
}

// accounts is one account for all projects.
type accounts struct{ js jetstream.JetStream }

func (a accounts) Conn(context.Context, string) (*nats.Conn, error) { return a.js.Conn(), nil }

func (a accounts) JetStream(context.Context, string) (jetstream.JetStream, error) { return a.js, nil }

func newStore(js jetstream.JetStream) *store.Store {
	return store.New(store.Config{Accounts: accounts{js}, Now: time.Now})
}

func ref(project, subscription string) messages.SubscriptionRef {
	return messages.SubscriptionRef{
		Project: &directory.Project{ID: uuid.NewSHA1(uuid.Nil, []byte(project)), Name: project}, Subscription: &directory.Subscription{Name: subscription},
	}
}

func (h *harness) source(js jetstream.JetStream) *jssource.Source {
	s := jssource.New(jssource.Config{
		JetStream: func(context.Context) (jetstream.JetStream, error) { return js, nil },
		Store:     newStore(js), Subscription: ref("P", "S"), AckWait: ackWait, Ordered: true, DeadLetter: "P._dead.S",
	})
	h.t.Cleanup(s.Close)
	return s
}

func (h *harness) publish(from, to int) {
	h.t.Helper()
	for i := from; i <= to; i++ {
		m := &nats.Msg{Subject: "P.T", Data: []byte(strconv.Itoa(i)), Header: nats.Header{"n": {strconv.Itoa(i)}, "Nats-Msg-Id": {strconv.Itoa(i)}}}
		if i%2 == 0 {
			m.Header.Set("Usher-Attributes", `{"\u00e4":"x:y"}`)
		}
		_, err := h.js.PublishMsg(h.t.Context(), m)
		callouttest.Must(h.t, err)
	}
}

func next(t *testing.T, s *jssource.Source, n int) []push.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []push.Message
	for len(all) < n {
		m, err := s.Next(ctx, 1)
		callouttest.Must(t, err)
		all = append(all, m...)
	}
	return all
}

func ids(messages []push.Message) (ids []string) {
	for i := range messages {
		ids = append(ids, messages[i].ID)
	}
	return ids
}

// eventuallyWait waits until n requests for messages wait.
func (h *harness) eventuallyWait(n int) {
	h.t.Helper()
	stream, err := h.js.Stream(h.t.Context(), "P")
	callouttest.Must(h.t, err)
	callouttest.Eventually(h.t, "all wait for messages", func() bool {
		waiting := 0
		for info := range stream.ListConsumers(h.t.Context()).Info() {
			waiting += info.NumWaiting
		}
		return waiting == n
	})
}

func (h *harness) eventuallyAcked(floor uint64) {
	h.t.Helper()
	callouttest.Eventually(h.t, "everything is acknowledged", func() bool {
		info, err := h.c.Info(h.t.Context())
		return err == nil && info.NumAckPending == 0 && info.AckFloor.Stream == floor
	})
}

// TestSource: messages come in order with their attributes, and are given back at the end.
func TestSource(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(1, 20)
	first := h.source(h.js)
	got := next(t, first, 2)
	if a := got[1].Attributes; len(a) != 2 || a["n"] != "2" || a["ä"] != "x:y" || string(got[1].Data) != "2" || got[1].Deliveries != 1 || got[1].Published.IsZero() {
		t.Errorf("got %+v", got[1])
	}
	callouttest.Must(t, first.Acknowledge(t.Context(), got))
	got = next(t, first, 3) // reads ahead meanwhile
	callouttest.Must(t, first.Extend(t.Context(), got))
	callouttest.Must(t, first.Acknowledge(t.Context(), got[:1]))
	callouttest.Must(t, first.Return(t.Context(), got[1:]))
	if again := next(t, first, 1); again[0].ID != "4" || again[0].Deliveries != 1 {
		t.Errorf("got %v again", ids(again))
	} else {
		callouttest.Must(t, first.Return(t.Context(), again))
	}
	first.Close()
	if _, err := first.Next(t.Context(), 1); err == nil {
		t.Error("a closed source has messages")
	}
	second := h.source(h.js)
	rest := next(t, second, 17)
	if want := "[4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20]"; fmt.Sprint(ids(rest)) != want {
		t.Errorf("got %v", ids(rest))
	}
	callouttest.Must(t, second.Acknowledge(t.Context(), rest))
	h.eventuallyAcked(20)
}

// TestTakeover: what a process had that died comes again first, in order, and at once.
func TestTakeover(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(1, 6)
	batch, err := h.c.Fetch(5, jetstream.FetchMaxWait(20*time.Second))
	callouttest.Must(t, err)
	for m := range batch.Messages() {
		if string(m.Data()) == "2" {
			callouttest.Must(t, m.DoubleAck(t.Context()))
		}
	}
	callouttest.Must(t, batch.Error())
	info, err := h.c.Info(t.Context())
	callouttest.Must(t, err)
	if info.NumAckPending != 4 {
		t.Fatalf("%d are pending", info.NumAckPending)
	}
	began := time.Now()
	s := h.source(h.js)
	got := next(t, s, 5)
	if fmt.Sprint(ids(got)) != "[1 3 4 5 6]" || time.Since(began) > ackWait {
		t.Errorf("got %v after %s", ids(got), time.Since(began))
	}
	callouttest.Must(t, s.Acknowledge(t.Context(), got))
	h.eventuallyAcked(6)
}

// TestLostOnTheWay: a message that was delivered and did not arrive comes before the next.
func TestLostOnTheWay(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.source(h.js)
	h.publish(1, 1)
	callouttest.Must(t, s.Acknowledge(t.Context(), next(t, s, 1)))
	// Another takes the next one and says nothing. Its request is served in turn.
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		batch, err := h.c.Fetch(1, jetstream.FetchMaxWait(20*time.Second))
		if err == nil {
			for range batch.Messages() {
			}
		}
	}()
	callouttest.Eventually(t, "both wait", func() bool {
		info, err := h.c.Info(t.Context())
		return err == nil && info.NumWaiting == 2
	})
	h.publish(2, 8)
	<-lost
	got := next(t, s, 7)
	if !slices.IsSorted(ids(got)) || len(got) != 7 {
		t.Errorf("got %v", ids(got))
	}
	callouttest.Must(t, s.Acknowledge(t.Context(), got))
	h.eventuallyAcked(8)
}

// TestBury: a dead letter is stored before its message is acknowledged, without headers that
// act.
func TestBury(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(1, 1)
	s := h.source(h.js)
	m := next(t, s, 1)[0]
	_, err := h.js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "P", Subjects: []string{"P.T"}, Storage: jetstream.MemoryStorage})
	callouttest.Must(t, err)
	if err := s.Bury(t.Context(), m); err == nil {
		t.Error("a dead letter was stored nowhere")
	}
	if info, err := h.c.Info(t.Context()); err != nil || info.NumAckPending != 1 {
		t.Errorf("the message is not kept: %+v, %v", info, err)
	}
	_, err = h.js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "P", Subjects: []string{"P.>"}, Storage: jetstream.MemoryStorage})
	callouttest.Must(t, err)
	m.Deliveries = 3
	callouttest.Must(t, s.Bury(t.Context(), m))
	stream, err := h.js.Stream(t.Context(), "P")
	callouttest.Must(t, err)
	dead, err := stream.GetLastMsgForSubject(t.Context(), "P._dead.S")
	callouttest.Must(t, err)
	if string(dead.Data) != "1" || dead.Header.Get("n") != "1" || dead.Header.Get("Nats-Msg-Id") == "1" || dead.Header.Get("Usher-Dead-Letter-Message-Id") != "1" ||
		dead.Header.Get("Usher-Dead-Letter-Deliveries") != "3" {
		t.Errorf("stored %+v", dead)
	}
	h.eventuallyAcked(1)
}

// TestIdleMemory: a thousand idle sources fit into 50 MiB, and each still gets its messages.
func TestIdleMemory(t *testing.T) {
	used := idle(t)
	t.Logf("%d idle sources take %.1f MiB, with what the server keeps for them", idleSources, float64(used)/(1<<20))
	if used > 50<<20 {
		t.Errorf("%d idle sources take %d bytes", idleSources, used)
	}
}

func BenchmarkIdle(b *testing.B) {
	var used int64
	for b.Loop() {
		used = idle(b)
	}
	b.ReportMetric(float64(used)/(1<<20), "MiB")
}

// idleSources is also how many consumers a stream has by default.
const idleSources = 1000

// idle returns the memory that idle sources take, once each has got a message after that.
func idle(tb testing.TB) int64 {
	tb.Helper()
	h := newHarness(tb)
	const n = idleSources
	callouttest.Must(tb, h.js.DeleteConsumer(tb.Context(), "P", "S"))
	for i := range n {
		h.consumer("idle-" + strconv.Itoa(i))
	}
	messagesOf := newStore(h.js)
	before := heap()
	sources := make([]*jssource.Source, n)
	got := make(chan string, n)
	for i := range sources {
		sources[i] = jssource.New(jssource.Config{
			JetStream: func(context.Context) (jetstream.JetStream, error) { return h.js, nil },
			Store:     messagesOf, Subscription: ref("P", "idle-"+strconv.Itoa(i)), AckWait: ackWait, Ordered: true,
		})
		go func() {
			m, err := sources[i].Next(tb.Context(), 1)
			if err != nil || len(m) != 1 {
				got <- fmt.Sprint(m, err)
				return
			}
			got <- string(m[0].Data)
		}()
	}
	h.eventuallyWait(n)
	used := heap() - before
	h.publish(1, 1)
	for range n {
		if m := <-got; m != "1" {
			tb.Fatal(m)
		}
	}
	for _, s := range sources {
		s.Close()
	}
	return used
}

// heap returns the memory in use: the heap and the stacks of goroutines.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
