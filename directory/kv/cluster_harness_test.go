package kv_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/permissions"
	"usher/tokens"
	"usher/tokens/apikey"
)

// cluster is three servers with JetStream, in process.
type cluster struct {
	opts [3]*server.Options
	srv  [3]*server.Server
}

func startCluster(tb testing.TB) *cluster {
	tb.Helper()
	c := &cluster{}
	var routes []*url.URL
	var ports [3]int
	for i := range c.opts {
		for ports[i] == 0 || i > 0 && ports[i] == ports[i-1] {
			ports[i] = callouttest.FreePort(tb)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[i]+1)})
	}
	for i := range c.opts {
		c.opts[i] = &server.Options{
			ServerName: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: ports[i], JetStream: true, StoreDir: storeDir(tb),
			Cluster: server.ClusterOpts{Name: "C", Host: "127.0.0.1", Port: ports[i] + 1, PoolSize: -1},
			Routes:  routes, NoSigs: true, NoLog: true,
		}
		c.start(tb, i)
	}
	tb.Cleanup(func() {
		for i := range c.srv {
			c.stop(i)
		}
	})
	return c
}

func (c *cluster) start(tb testing.TB, i int) {
	tb.Helper()
	s, err := server.NewServer(c.opts[i].Clone())
	callouttest.Must(tb, err)
	s.Start()
	c.srv[i] = s
}

func (c *cluster) stop(i int) {
	c.srv[i].Shutdown()
	c.srv[i].WaitForShutdown()
}

// leader returns the index of the server that leads the bucket; -1: there is none.
func (c *cluster) leader(bucket string) int {
	for i, s := range c.srv {
		if s.Running() && s.JetStreamIsStreamLeader("$G", "KV_"+bucket) {
			return i
		}
	}
	return -1
}

// whole reports whether every server has caught up with the bucket.
func (c *cluster) whole(bucket string) bool {
	for _, s := range c.srv {
		if !s.Running() || !s.JetStreamIsStreamCurrent("$G", "KV_"+bucket) {
			return false
		}
	}
	return c.leader(bucket) >= 0
}

// url lists all servers, the i-th first.
func (c *cluster) url(i int) string {
	var all []string
	for n := range c.opts {
		all = append(all, fmt.Sprintf("nats://127.0.0.1:%d", c.opts[(i+n)%len(c.opts)].Port))
	}
	return strings.Join(all, ",")
}

// replica is the part of an usher that this package is about: it follows the bucket,
// changes it and decides requests.
type replica struct {
	tb      testing.TB
	url     string
	cache   string
	conn    *nats.Conn
	store   atomic.Pointer[kv.Store]
	decider callout.Decider
	stop    func()
	hear    func(kv.Changed)
	busy    sync.RWMutex // held by who edits here, and by who stops it
	up      atomic.Bool
}

func (c *cluster) replica(tb testing.TB, i int) *replica {
	tb.Helper()
	r := &replica{tb: tb, url: c.url(i), cache: filepath.Join(tb.TempDir(), "cache")}
	snapshot := func() *snapshot.Snapshot { return r.store.Load().Snapshot() }
	r.decider = callout.Decider{
		Chain: tokens.Chain{apikey.NewVerifier(snapshot, time.Now)}, Snapshot: snapshot,
		Ruleset: callout.FixedRuleset(&permissions.Policy{CalloutAccount: "AUTH", SystemAccount: "SYS"}, nil),
	}
	return r
}

func (r *replica) start() {
	r.tb.Helper()
	var err error
	r.conn, err = nats.Connect(r.url, nats.DontRandomize(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true))
	callouttest.Must(r.tb, err)
	s, err := kv.Open(kv.Config{
		Conn: r.conn, Bucket: "usher", Create: true, Replicas: 3, Cache: r.cache, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(r.tb.Output(), nil)), OnChange: r.hear,
	})
	callouttest.Must(r.tb, err)
	ctx, stop := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := s.Run(ctx); err != nil {
			r.tb.Error(err)
		}
	})
	r.stop = func() {
		stop()
		ended.Wait()
		r.conn.Close()
	}
	r.store.Store(s)
	r.up.Store(true)
}

// end stops a replica between two edits.
func (r *replica) end() {
	r.busy.Lock()
	defer r.busy.Unlock()
	r.up.Store(false)
	r.stop()
}

// may decides a request: may a client with this key publish to the subject?
func (r *replica) may(key, subject string) (bool, callout.Outcome) {
	d := r.decider.Decide(context.Background(), &tokens.Credential{AuthToken: key, Host: "192.0.2.1"})
	return d.Outcome == callout.Granted && d.Grant.Check(permissions.Publish, subject).Allowed, d.Outcome
}

// within waits for a condition.
func within(tb testing.TB, limit time.Duration, what string, condition func() bool) time.Duration {
	tb.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if <-tick.C; time.Since(start) > limit {
			tb.Fatalf("timed out after %s waiting until %s", limit, what)
		}
	}
	return time.Since(start)
}
