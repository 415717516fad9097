package exchange_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/exchange"
	"usher/callout/callouttest"
)

// Three replicas grant 20,000 sessions, and half of them end.
func TestConverge(t *testing.T) {
	t.Parallel()
	all := startAll(t, startServer(t, callouttest.ServerConfig{}).URL(), 3)
	const each = 20_000 / 3
	for i, r := range all {
		go r.grant(i*each, (i+1)*each)
	}
	want := numbers(0, 3*each)
	for _, r := range all {
		r.waitSessions(t, want)
	}
	// Each end is seen by one replica, or by all.
	for n := range 3 * each {
		switch n % 4 {
		case 0:
			all[n%3].registry.Remove(id(n), sessions.Disconnected)
			delete(want, n)
		case 1:
			for _, r := range all {
				r.registry.Remove(id(n), sessions.ServerGone)
			}
			delete(want, n)
		}
	}
	for _, r := range all {
		r.waitSessions(t, want)
		if s := r.Status(); s.Gaps != 0 || s.Malformed != 0 || s.Oversized != 0 {
			t.Errorf("%s: %+v", r.name, s)
		}
	}
}

// A replica that starts gets the sessions of the others, one that is killed is gone, and one
// that leaves is gone at once.
func TestStartKillLeave(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	all := startAll(t, server.URL(), 2)
	all[0].grant(0, 20_000)
	want := numbers(0, 20_000)
	all[1].waitSessions(t, want)

	third := start(t, "r2", server.URL(), nil)
	<-third.Complete()
	third.waitSessions(t, want)
	if s := third.Status(); !s.Collected || s.Transferred < 20_000 {
		t.Errorf("%+v", s)
	}
	waitMembers(t, append(all, third)...)
	third.grant(20_000, 20_100)
	maps.Copy(want, numbers(20_000, 20_100))
	all[0].waitSessions(t, want)
	all[1].waitSessions(t, want)

	moves := all[0].moves.Load()
	third.kill()
	waitMembers(t, all...)
	callouttest.Eventually(t, "the change of members was told", func() bool { return all[0].moves.Load() > moves })
	all[0].registry.Remove(id(7), sessions.Disconnected)
	delete(want, 7)

	again := start(t, "r2-again", server.URL(), nil)
	<-again.Complete()
	again.waitSessions(t, want)
	waitMembers(t, append(all, again)...)

	before := time.Now()
	again.leave()
	waitMembers(t, all...)
	t.Logf("a replica that left was gone after %s", time.Since(before))
}

// A replica starts while no server is there, says after a while that it is complete, and
// works once there is one.
func TestNoServer(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	server.Stop()
	soon := func(c *exchange.Config) { c.Wait = 100 * time.Millisecond }
	one := start(t, "r0", server.URL(), soon)
	one.grant(0, 10)
	<-one.Complete()
	if s := one.Status(); s.Collected || s.Connected {
		t.Errorf("%+v", s)
	}
	if !one.Mine(id(1)) {
		t.Error("nobody acts on a session")
	}
	if late := one.InForce(t.Context(), exchange.State{}); late != nil {
		t.Errorf("late: %v", late)
	}
	server.Start(t)
	two := start(t, "r1", server.URL(), soon)
	waitMembers(t, one, two)
	two.waitSessions(t, numbers(0, 10))
}

// Messages that were sent while a server was away, and those that a full subscription has
// dropped, are asked for.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	all := startAll(t, server.URL(), 3)
	all[0].grant(0, 100)
	want := numbers(0, 100)
	all[2].waitSessions(t, want)

	server.Stop()
	for _, r := range all {
		callouttest.Eventually(t, "the connection is lost", func() bool { return !r.Status().Connected })
	}
	for i, r := range all {
		r.grant(100+i*1000, 1100+i*1000)
	}
	for n := range 50 {
		all[1].registry.Remove(id(n), sessions.Disconnected)
		delete(want, n)
	}
	maps.Copy(want, numbers(100, 3100))
	server.Start(t)
	for _, r := range all {
		r.waitSessions(t, want)
	}
	waitMembers(t, all...)

	release, err := all[2].Full()
	callouttest.Must(t, err)
	all[0].grant(3100, 9100)
	maps.Copy(want, numbers(3100, 9100))
	all[1].waitSessions(t, want)
	callouttest.Eventually(t, "messages are dropped", func() bool { return all[2].Status().Dropped > 0 })
	release()
	all[2].waitSessions(t, want)
	if s := all[2].Status(); s.Gaps == 0 {
		t.Errorf("no gap was seen: %+v", s)
	}
	callouttest.Eventually(t, "nothing is missing", func() bool { return all[2].Status().Missing == 0 })
}

// What does not fit into the messages that a replica keeps is taken from all its sessions.
func TestLostTooMuch(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	all := startAll(t, server.URL(), 2)
	release, err := all[1].Full()
	callouttest.Must(t, err)
	all[0].grant(0, 6000)
	callouttest.Eventually(t, "messages are dropped", func() bool { return all[1].Status().Dropped > 0 })
	all[0].Forget()
	release()
	all[1].waitSessions(t, numbers(0, 6000))
}

// Replicas whose clocks differ by hours live, and agree.
func TestClocks(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	var all []*replica
	for i, offset := range []time.Duration{-3 * time.Hour, 0, 26 * time.Hour} {
		var clock callouttest.Clock
		clock.Advance(offset)
		all = append(all, start(t, fmt.Sprintf("r%d", i), server.URL(), func(c *exchange.Config) { c.Now = clock.Now }))
	}
	waitMembers(t, all...)
	for i, r := range all {
		r.grant(i*100, (i+1)*100)
		r.Announce(exchange.State{Revision: 9})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, r := range all {
		r.waitSessions(t, numbers(0, 300))
		if late := r.InForce(ctx, exchange.State{Revision: 9}); late != nil {
			t.Errorf("late: %v", late)
		}
	}
	waitMembers(t, all...)

	// A connection that is granted again, by a replica whose clock is behind.
	s := connection(7, "r0")
	s.RequestID, s.Started = "again", time.Now().Add(-3*time.Hour)
	all[0].registry.Add(s)
	all[0].Granted(s)
	for _, r := range all {
		callouttest.Eventually(t, "the later grant replaces the earlier one", func() bool {
			found, ok := r.registry.Find(id(7))
			return ok && found.RequestID == "again"
		})
	}
}

// In a cluster, a replica at each server.
func TestCluster(t *testing.T) {
	t.Parallel()
	first := startServer(t, callouttest.ServerConfig{Name: "s0", Cluster: true})
	urls := []string{first.URL()}
	for _, name := range []string{"s1", "s2"} {
		urls = append(urls, startServer(t, callouttest.ServerConfig{Name: name, Cluster: true, Routes: []string{first.RouteURL()}}).URL())
	}
	var all []*replica
	for i, url := range urls {
		r := start(t, fmt.Sprintf("r%d", i), url, func(c *exchange.Config) { c.Options = append(c.Options, nats.IgnoreDiscoveredServers()) })
		r.grant(i*1000, (i+1)*1000) // while the others come and go
		all = append(all, r)
	}
	for _, r := range all {
		r.waitSessions(t, numbers(0, 3000))
	}
	waitMembers(t, all...)
	all[0].kill()
	all[1].grant(3000, 3100)
	all[2].waitSessions(t, numbers(0, 3100))
	waitMembers(t, all[1:]...)
}

// What the only replica has kept over a restart is shared with those that come; what a
// replica has kept while another one ran is not.
func TestLoaded(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	kept := func(from, to int) func(*exchange.Config) {
		return func(c *exchange.Config) {
			for n := from; n < to; n++ {
				c.Registry.Add(connection(n, "before"))
			}
		}
	}
	one := start(t, "r0", server.URL(), kept(0, 100))
	<-one.Complete()
	two := start(t, "r1", server.URL(), kept(100, 200))
	waitMembers(t, one, two)
	two.waitSessions(t, numbers(0, 200))
	one.waitSessions(t, numbers(0, 100))
}
