package lease_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	apipush "usher/api/push"
	"usher/app/push/lease"
	"usher/callout/callouttest"
	"usher/directory"
)

// site has workers that share a bucket, and notices if two have the same subscription.
type site struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	by     map[string]string // worker by subscription
	twice  []string
	worker map[string]*worker
}

type worker struct {
	*lease.Leases
	nc    *nats.Conn
	stop  context.CancelFunc
	ended chan struct{}
}

func newSite(t *testing.T) *site {
	t.Helper()
	srv := callouttest.RunServerConfig(t, fmt.Sprintf("listen: 127.0.0.1:-1\njetstream {store_dir: %q}\n", filepath.ToSlash(t.TempDir())))
	return &site{t: t, url: srv.ClientURL(), by: map[string]string{}, worker: map[string]*worker{}}
}

func (s *site) js() (*nats.Conn, jetstream.JetStream) {
	s.t.Helper()
	nc, err := nats.Connect(s.url, nats.Timeout(20*time.Second))
	callouttest.Must(s.t, err)
	s.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	callouttest.Must(s.t, err)
	return nc, js
}

// hold notes what a worker has.
func (s *site) hold(name string, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.by {
		if w == name && !slices.Contains(ids, id) {
			delete(s.by, id)
		}
	}
	for _, id := range ids {
		// One that stood still has not let go yet, but it pushes nothing.
		if w := s.by[id]; w != "" && w != name && s.worker[w] != nil && s.worker[w].Valid() {
			s.twice = append(s.twice, id+" by "+w+" and "+name)
		}
		s.by[id] = name
	}
}

func (s *site) start(name string, n int) *worker {
	s.t.Helper()
	nc, js := s.js()
	w := &worker{nc: nc, ended: make(chan struct{})}
	var err error
	w.Leases, err = lease.New(lease.Config{
		JetStream: js, Bucket: "usher_push", Name: name, Renew: 100 * time.Millisecond, Expire: 3 * time.Second,
		Hold: func(ids []string) { s.hold(name, ids) }, Drain: func() { s.hold(name, nil) },
		Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)), Now: time.Now,
	})
	callouttest.Must(s.t, err)
	w.Want(names(n))
	s.mu.Lock()
	s.worker[name] = w
	s.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() {
		defer close(w.ended)
		w.Run(ctx)
	}()
	s.t.Cleanup(func() { stop(); <-w.ended })
	return w
}

func names(n int) (ids []string) {
	for i := range n {
		ids = append(ids, "p."+strconv.Itoa(i))
	}
	return ids
}

// eventually waits until each worker has so many.
func (s *site) eventually(want map[string]int) {
	s.t.Helper()
	callouttest.Eventually(s.t, fmt.Sprintf("the workers have %v", want), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		have := map[string]int{}
		for _, w := range s.by {
			have[w]++
		}
		return fmt.Sprint(have) == fmt.Sprint(want)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.twice) > 0 {
		s.t.Errorf("held twice: %v", s.twice)
	}
}

// TestShare: workers take their shares, give back when another joins, and take what one
// leaves behind.
func TestShare(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.start("a", 30)
	s.eventually(map[string]int{"a": 30})
	s.start("b", 30)
	s.eventually(map[string]int{"a": 15, "b": 15})
	s.start("c", 30)
	s.eventually(map[string]int{"a": 10, "b": 10, "c": 10})
	a.stop()
	s.eventually(map[string]int{"b": 15, "c": 15})
	for _, name := range []string{"b", "c"} { // subscriptions are removed
		s.worker[name].Want(names(4))
	}
	callouttest.Eventually(t, "four are left", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.by) == 4
	})
}

// TestDeath: a worker that is cut off knows it before another takes over, and the other one
// takes over although the first never said a word.
func TestDeath(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.start("a", 10)
	b := s.start("b", 10)
	s.eventually(map[string]int{"a": 5, "b": 5})
	cut := time.Now()
	a.nc.Close()
	callouttest.Eventually(t, "b has everything", func() bool { return len(b.Held()) == 10 })
	if a.Valid() {
		t.Error("a still believes in its leases")
	}
	if took := time.Since(cut); took < 2*time.Second {
		t.Errorf("taken over after %s, before a could know", took)
	}
	s.eventually(map[string]int{"b": 10}) // a has stopped
}

// TestDecline: what a worker declines goes to those that do not, and what all decline is still
// tried.
func TestDecline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.start("a", 10)
	b := s.start("b", 10)
	s.eventually(map[string]int{"a": 5, "b": 5})
	b.Decline(names(10))
	s.eventually(map[string]int{"a": 10})
	b.Decline(names(4)) // the other six are for both
	s.eventually(map[string]int{"a": 7, "b": 3})
	a.Decline(names(10))
	s.eventually(map[string]int{"a": 2, "b": 8})
	a.stop()
	s.eventually(map[string]int{"b": 10})
}

// TestStates: what the API shows.
func TestStates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, js := s.js()
	r := lease.NewReader(js, "usher_push", time.Now)
	project := &directory.Project{Name: "P"}
	sub := &directory.Subscription{Name: "S", Push: &directory.Push{Type: "http_endpoint"}}
	expect := func(status, worker string, failures int) {
		t.Helper()
		state, err := r.State(t.Context(), project, sub)
		callouttest.Must(t, err)
		if state.Status != status || state.Worker != worker || state.Failures != failures {
			t.Errorf("state is %+v, want %s by %s", state, status, worker)
		}
	}
	expect(apipush.StatusUnverified, "", 0)
	sub.Push.Verified = true
	expect(apipush.StatusInactive, "", 0)
	w := s.start("a", 0)
	w.Want([]string{lease.ID(project, sub)})
	s.eventually(map[string]int{"a": 1})
	expect(apipush.StatusActive, "a", 0)
	callouttest.Must(t, w.PutState(t.Context(), lease.ID(project, sub), apipush.State{Status: apipush.StatusRetrying, Failures: 2}))
	expect(apipush.StatusRetrying, "a", 2)
	if workers, err := r.Workers(t.Context()); err != nil || fmt.Sprint(workers) != "[a]" {
		t.Errorf("workers are %v, %v", workers, err)
	}
	w.stop()
	<-w.ended
	expect(apipush.StatusInactive, "", 0)
	kv, err := js.KeyValue(t.Context(), "usher_push")
	callouttest.Must(t, err)
	stale, err := json.Marshal(apipush.State{Worker: "gone", Status: apipush.StatusActive})
	callouttest.Must(t, err)
	_, err = kv.Put(t.Context(), "state."+lease.ID(project, sub), stale)
	callouttest.Must(t, err)
	expect(apipush.StatusInactive, "", 0)
}
