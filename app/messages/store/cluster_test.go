package store_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/store"
	"usher/callout/callouttest"
)

// startCluster starts three servers.
func startCluster(t *testing.T) []*server.Server {
	t.Helper()
	var ports [3]int
	var routes []*url.URL
	for i := range ports {
		ports[i] = callouttest.FreePort(t)
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprint("127.0.0.1:", ports[i])})
	}
	var all []*server.Server
	for i, port := range ports {
		srv, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(),
			NoSigs: true, NoLog: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "C", Host: "127.0.0.1", Port: port, PoolSize: -1},
		})
		must(t, err)
		srv.Start()
		t.Cleanup(func() {
			srv.Shutdown()
			srv.WaitForShutdown()
		})
		all = append(all, srv)
	}
	for _, srv := range all {
		if !srv.ReadyForConnections(timeout) {
			t.Fatal("nats-server is not ready")
		}
	}
	return all
}

// Nothing that was answered is lost with the leader of the stream, and who tries again with
// the same dedupe ids stores nothing twice.
func TestLeaderDies(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	urls := servers[0].ClientURL() + "," + servers[1].ClientURL() + "," + servers[2].ClientURL()
	f := &fixture{now: time.Now}
	f.conn = connect(t, urls, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	var err error
	f.other, err = jetstream.New(f.conn)
	must(t, err)
	f.refer()
	f.Store = store.New(store.Config{Accounts: plain{f.conn}, Now: time.Now, Timeout: 2 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 3*timeout)
	defer cancel()
	again := func(what string, do func() error) {
		t.Helper()
		for err := do(); err != nil; err = do() {
			if ctx.Err() != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	f.stream.Replicas = 3
	again("create the stream", func() error {
		// A request that comes before the servers have a leader gets no answer.
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := f.other.CreateOrUpdateStream(ctx, f.stream)
		return err
	})
	f.consume(t, "S", func(*jetstream.ConsumerConfig) {})
	wholePulls(t, f)

	const batches = 40
	answered := make(map[string]string)
	for n := range batches {
		if n == batches/2 {
			stream, err := f.other.Stream(ctx, "P")
			must(t, err)
			for _, srv := range servers {
				if srv.Name() == stream.CachedInfo().Cluster.Leader {
					srv.Shutdown()
				}
			}
		}
		batch := make([]messages.Message, 5)
		for i := range batch {
			batch[i].DedupeID = fmt.Sprint(n, "-", i)
			batch[i].Data = []byte(batch[i].DedupeID)
		}
		again("publish", func() error {
			ids, err := f.Publish(ctx, f.topic, batch)
			for i, id := range ids {
				answered[id] = batch[i].DedupeID
			}
			return err
		})
	}
	if len(answered) != batches*5 {
		t.Fatalf("%d different ids", len(answered))
	}
	seen := make(map[string]string)
	for len(seen) < len(answered) {
		again("pull", func() error {
			got, err := f.Pull(ctx, f.sub, 50, 1<<20, time.Second)
			if err == nil {
				err = f.Acknowledge(ctx, f.sub, deliveries(got))
			}
			for _, m := range got {
				seen[m.ID] = string(m.Data)
			}
			return err
		})
	}
	for id, data := range answered {
		if seen[id] != data {
			t.Errorf("message %s is %q, and was %q", id, seen[id], data)
		}
	}
}

// pending waits until the server that leads the consumer has n messages to deliver. It can be
// behind the one that has confirmed them.
func pending(t *testing.T, f *fixture, n uint64) {
	t.Helper()
	callouttest.Eventually(t, "the consumer has the messages", func() bool {
		c, err := f.other.Consumer(f.ctx(t), "P", "S")
		return err == nil && c.CachedInfo().NumPending == n
	})
}

// wholePulls: a pull brings as many messages as it asks for, and none of them is lost until the
// ack deadline. The servers tell that a request has ended before they send its messages.
func wholePulls(t *testing.T, f *fixture) {
	t.Helper()
	const n = 10
	for range 4 {
		f.publish(t, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
	}
	pending(t, f, 4*n)
	for range 4 {
		got, err := f.Pull(f.ctx(t), f.sub, n, 1<<20, 0)
		must(t, err)
		if len(got) != n || got[0].Delivery.Count != 1 {
			t.Errorf("got %d messages", len(got))
		}
		must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got)))
	}
	// A large message stays behind, because it is too large for the pull.
	f.publish(t, "a", "b", strings.Repeat("c", 2000))
	pending(t, f, 3)
	for _, want := range []int{2, 1} {
		got, err := f.Pull(f.ctx(t), f.sub, n, 1000, 0)
		must(t, err)
		if len(got) != want {
			t.Errorf("got %d messages, expected %d", len(got), want)
		}
		must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got)))
	}
}
