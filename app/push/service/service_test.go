package service_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	apipush "usher/api/push"
	"usher/app/push/service"
	"usher/callout/callouttest"
)

func server(t *testing.T) string {
	t.Helper()
	return callouttest.RunServerConfig(t, fmt.Sprintf("listen: 127.0.0.1:-1\njetstream {store_dir: %q}\n", filepath.ToSlash(t.TempDir()))).ClientURL()
}

// TestService: messages reach a real HTTPS endpoint in order, with the header; a changed
// endpoint gets those that follow, and one that is not verified nothing.
func TestService(t *testing.T) {
	t.Parallel()
	url := server(t)
	js := connect(t, url)
	makeStream(t, js, 1, 1)
	r := newReceiver(t)
	s := run(t, "a", url, insecure(), records(1, r.URL, false), 1)
	publish(t, js, 1, 20)
	callouttest.Eventually(t, "the worker is ready", func() bool { return s.Ready() == nil })
	project, _ := s.snapshot.Load().Project("P")
	state := func() apipush.State {
		st, err := s.States().State(t.Context(), project, &project.Subscriptions[0])
		callouttest.Must(t, err)
		return st
	}
	if st := state(); st.Status != apipush.StatusUnverified {
		t.Errorf("state is %+v", st)
	}
	if got, _ := r.got(); len(got) > 0 {
		t.Fatalf("pushed to an endpoint that is not verified: %v", got)
	}
	s.set(t, records(1, r.URL, true))
	r.eventually(t, 20)
	if r.header != "0123abcd" {
		t.Errorf("Authorization is %q", r.header)
	}
	project, _ = s.snapshot.Load().Project("P")
	r.status.Store(500)
	publish(t, js, 21, 30)
	callouttest.Eventually(t, "the state says that it fails", func() bool {
		st := state()
		return st.Status == apipush.StatusRetrying && st.Worker == "a" && strings.HasSuffix(st.LastError, "status 500")
	})
	other := newReceiver(t)
	s.set(t, records(1, other.URL, true))
	callouttest.Eventually(t, "the other endpoint has the rest", func() bool {
		got, _ := other.got()
		return len(got) == 10 && got[0] == 21 && got[9] == 30
	})
	acknowledged(t, js, 1, 30)
	if got, _ := r.got(); len(got) != 20 {
		t.Errorf("the old endpoint got %v", got)
	}
	s.stop()
	if st := state(); st.Status != apipush.StatusInactive {
		t.Errorf("state is %+v", st)
	}
}

// TestUnable: a worker that cannot read an account says so, and leaves its subscriptions to
// one that can.
func TestUnable(t *testing.T) {
	t.Parallel()
	url := server(t)
	js := connect(t, url)
	const subs = 3
	makeStream(t, js, subs, 1)
	publish(t, js, 1, 1)
	r := newReceiver(t)
	b := run(t, "b", url, insecure(), records(subs, r.URL, true), 1, func(c *service.Config) {
		c.JetStream = func(context.Context, string) (jetstream.JetStream, error) {
			return nil, errors.New("Authorization Violation")
		}
	})
	project, _ := b.snapshot.Load().Project("P")
	states := func(status, worker, cause string) {
		t.Helper()
		callouttest.EventuallyWithin(t, time.Minute, "all are "+status+" by "+worker, func() bool {
			for i := range subs {
				st, err := b.States().State(t.Context(), project, &project.Subscriptions[i])
				if err != nil || st.Status != status || st.Worker != worker || !strings.HasSuffix(st.LastError, cause) {
					return false
				}
			}
			return true
		})
	}
	states(apipush.StatusBlocked, "b", "Authorization Violation")
	callouttest.Eventually(t, "b is not ready", func() bool {
		err := b.Ready()
		return err != nil && strings.HasSuffix(err.Error(), "Authorization Violation")
	})
	a := run(t, "a", url, insecure(), records(subs, r.URL, true), 1)
	states(apipush.StatusActive, "a", "")
	for i := range subs {
		acknowledged(t, js, i+1, 1)
	}
	if err := a.Ready(); err != nil {
		t.Error(err)
	}
	if b.Ready() == nil {
		t.Error("b is ready")
	}
	a.stop()
	states(apipush.StatusBlocked, "b", "Authorization Violation") // nobody else is there
}

func acknowledged(t *testing.T, js jetstream.JetStream, sub int, floor uint64) {
	t.Helper()
	callouttest.EventuallyWithin(t, time.Minute, "everything is acknowledged", func() bool {
		c, err := js.Consumer(t.Context(), "P", fmt.Sprintf("S%d", sub))
		if err != nil {
			return false
		}
		info := c.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0 && info.AckFloor.Stream == floor
	})
}

// TestKilled: two push workers share; one is killed, then nats-server. Nothing is lost, and
// messages arrive in order.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
	url := "nats://" + address
	srv := startServer(t, dir, "listen: "+address)
	js := connect(t, url)
	makeStream(t, js, 1, 1)
	r := newReceiver(t)
	workers := map[string]*child{}
	start := func(name string) { workers[name] = startWorker(t, name, url, r.URL, 1) }
	start("a")
	publish(t, js, 1, 30)
	r.eventually(t, 30)
	start("b")
	published := make(chan struct{})
	go func() {
		defer close(published)
		publish(t, js, 31, 400)
	}()
	r.eventually(t, 60)
	workers["a"].kill()
	began := time.Now()
	r.eventually(t, 120)
	t.Logf("taken over %s after the death", time.Since(began).Round(time.Millisecond))
	srv.kill()
	startServer(t, dir, "listen: "+address)
	r.eventually(t, 400)
	<-published
	acknowledged(t, js, 1, 400)
}

// TestLeaderKilled: the leader of the stream in a cluster of three is killed. Nothing is lost.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	var routes, urls []string
	var texts [3]string
	servers := map[string]*child{}
	ports := [6]int{}
	for i := range ports {
		ports[i] = callouttest.FreePort(t)
	}
	for i := range 3 {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3+i]))
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
	}
	for i := range 3 {
		texts[i] = fmt.Sprintf("server_name: n%d\nlisten: 127.0.0.1:%d\ncluster {name: c, listen: 127.0.0.1:%d, routes: [%s]}", i, ports[i], ports[3+i], strings.Join(routes, ","))
		servers[fmt.Sprintf("n%d", i)] = startServer(t, t.TempDir(), texts[i])
	}
	js := connect(t, strings.Join(urls, ","))
	makeStream(t, js, 1, 3)
	r := newReceiver(t)
	run(t, "a", strings.Join(urls, ","), insecure(), records(1, r.URL, true), 3)
	publish(t, js, 1, 20)
	r.eventually(t, 20)
	c, err := js.Consumer(t.Context(), "P", "S1")
	callouttest.Must(t, err)
	leader := c.CachedInfo().Cluster.Leader
	servers[leader].kill()
	publish(t, js, 21, 100)
	r.eventually(t, 100)
	acknowledged(t, js, 1, 100)
}
