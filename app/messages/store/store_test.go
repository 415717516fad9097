package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/store"
	"usher/directory"
)

// timeout bounds what should be much faster.
const timeout = 30 * time.Second

// plain is one connection, as the pool of a running usher has one for each account.
type plain struct{ conn *nats.Conn }

func (p plain) Conn(context.Context, string) (*nats.Conn, error) { return p.conn, nil }

func (p plain) JetStream(context.Context, string) (jetstream.JetStream, error) {
	return jetstream.New(p.conn)
}

// fixture is a Store on a server of its own, with a project P of topics T and U, and
// subscription S of T.
type fixture struct {
	*store.Store
	server *server.Server
	conn   *nats.Conn // of the Store
	other  jetstream.JetStream
	topic  messages.TopicRef
	sub    messages.SubscriptionRef
	now    func() time.Time
	stream jetstream.StreamConfig
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func startServer(tb testing.TB) *server.Server {
	tb.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: tb.TempDir(), NoSigs: true, NoLog: true,
	})
	must(tb, err)
	srv.Start()
	tb.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(timeout) {
		tb.Fatal("nats-server is not ready")
	}
	return srv
}

func connect(tb testing.TB, url string, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	conn, err := nats.Connect(url, opts...)
	must(tb, err)
	tb.Cleanup(conn.Close)
	return conn
}

// start starts a fixture, with the stream changed by change.
func start(tb testing.TB, change ...func(*fixture)) *fixture {
	tb.Helper()
	f := &fixture{server: startServer(tb), now: time.Now}
	f.conn = connect(tb, f.server.ClientURL())
	var err error
	f.other, err = jetstream.New(connect(tb, f.server.ClientURL()))
	must(tb, err)
	f.refer()
	for _, c := range change {
		c(f)
	}
	_, err = f.other.CreateStream(f.ctx(tb), f.stream)
	must(tb, err)
	f.consume(tb, "S", func(*jetstream.ConsumerConfig) {})
	f.Store = store.New(store.Config{Accounts: plain{f.conn}, Now: func() time.Time { return f.now() }})
	return f
}

// refer sets what the tests refer to.
func (f *fixture) refer() {
	project := &directory.Project{Name: "P", Account: "A"}
	f.topic = messages.TopicRef{Project: project, Topic: &directory.Topic{Name: "T", Subject: "P.T"}}
	f.sub = messages.SubscriptionRef{Project: project, Topic: f.topic.Topic, Subscription: &directory.Subscription{Name: "S", Topic: "T"}}
	f.stream = jetstream.StreamConfig{Name: "P", Subjects: []string{"P.T", "P.U"}, Discard: jetstream.DiscardNew}
}

func (f *fixture) ctx(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	tb.Cleanup(cancel)
	return ctx
}

// consume makes a consumer as usher makes it.
func (f *fixture) consume(tb testing.TB, name string, change func(*jetstream.ConsumerConfig)) jetstream.Consumer {
	tb.Helper()
	cfg := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: "P.T", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second,
		DeliverPolicy: jetstream.DeliverNewPolicy, MaxAckPending: 100_000,
	}
	change(&cfg)
	c, err := f.other.CreateConsumer(f.ctx(tb), "P", cfg)
	must(tb, err)
	return c
}

// publish publishes texts to the topic.
func (f *fixture) publish(tb testing.TB, texts ...string) []string {
	tb.Helper()
	msgs := make([]messages.Message, len(texts))
	for i, text := range texts {
		msgs[i].Data = []byte(text)
	}
	ids, err := f.Publish(f.ctx(tb), f.topic, msgs)
	must(tb, err)
	return ids
}

// pull pulls exactly n messages.
func (f *fixture) pull(tb testing.TB, n int) []messages.Received {
	tb.Helper()
	var all []messages.Received
	for len(all) < n {
		got, err := f.Pull(f.ctx(tb), f.sub, n-len(all), 1<<20, timeout)
		must(tb, err)
		if len(got) == 0 {
			tb.Fatalf("%d of %d messages came", len(all), n)
		}
		all = append(all, got...)
	}
	return all
}

// nothing fails if there is a message.
func (f *fixture) nothing(tb testing.TB) {
	tb.Helper()
	got, err := f.Pull(f.ctx(tb), f.sub, 10, 1<<20, 0)
	must(tb, err)
	if len(got) > 0 {
		tb.Fatalf("got %d messages, the first is %q", len(got), got[0].Data)
	}
}

// info waits until the consumer is as it should be.
func (f *fixture) info(tb testing.TB, what string, ok func(*jetstream.ConsumerInfo) bool) {
	tb.Helper()
	ctx := f.ctx(tb)
	for {
		c, err := f.other.Consumer(ctx, "P", "S")
		must(tb, err)
		if ok(c.CachedInfo()) {
			return
		}
		if ctx.Err() != nil {
			tb.Fatalf("the consumer never has %s: %+v", what, c.CachedInfo())
		}
	}
}

func deliveries(all []messages.Received) []messages.Delivery {
	out := make([]messages.Delivery, len(all))
	for i := range all {
		out[i] = all[i].Delivery
	}
	return out
}
