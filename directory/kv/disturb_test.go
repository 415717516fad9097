package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// disturbance connects and edits at every replica while servers and replicas stop and
// start, and collects the results.
type disturbance struct {
	t        *testing.T
	replicas *[3]*replica

	connects, denied, undecided atomic.Int64 // of those who must be let in
	edits                       [3]atomic.Int64
	unavailable                 atomic.Int64
	let                         atomic.Int64 // removed users who were let in where they had been removed

	mu     sync.Mutex
	want   map[string]bool // user → whether it is there, as was acknowledged
	last   time.Time       // of an acknowledged edit
	gap    time.Duration   // the longest time between two
	lag    time.Duration   // the longest until a removed user was refused everywhere
	lagged int
}

// disturb stops and starts servers and replicas, and counts the results of connects and
// edits.
func disturb(t *testing.T, c *cluster, replicas *[3]*replica) {
	t.Helper()
	d := &disturbance{t: t, replicas: replicas, want: map[string]bool{}, last: time.Now()}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	removed := make(chan string, 1)
	for i := range replicas {
		all.Go(func() { d.connect(ctx, i) })
		all.Go(func() { d.edit(ctx, i, removed) })
	}
	all.Go(func() { d.refuse(ctx, removed) })
	end := sync.OnceFunc(func() { stop(); all.Wait() })
	t.Cleanup(end)

	d.edited("all is well", 20)
	leader := -1
	within(t, time.Minute, "the bucket has a leader", func() bool { leader = c.leader("usher"); return leader >= 0 })
	d.step("the leader of the bucket ends", func() { c.stop(leader) })
	d.step("it starts again", func() { c.start(t, leader); d.whole(c) })
	d.step("a replica ends", func() { replicas[1].end() }, 0, 2)
	d.step("it starts again", func() {
		replicas[1].start()
		if replicas[1].store.Load().Snapshot() == nil {
			t.Error("it does not serve from its cache")
		}
	})
	d.step("every server, one after the other", func() {
		for i := range c.srv {
			c.stop(i)
			c.start(t, i)
			d.whole(c)
		}
	})
	d.step("all servers at once", func() {
		var down sync.WaitGroup
		for i := range c.srv {
			down.Go(func() { c.stop(i) })
		}
		down.Wait()
		for i := range c.srv {
			c.start(t, i)
		}
		d.whole(c)
	})
	end()

	lost := d.lost()
	t.Logf("figures: %d connects, %d wrongly denied, %d not decided, %d of removed users let in where they had been removed; a removed user was refused everywhere after %s at most (%d looked at)",
		d.connects.Load(), d.denied.Load(), d.undecided.Load(), d.let.Load(), d.lag.Round(time.Millisecond), d.lagged)
	t.Logf("figures: %d edits acknowledged, %d of them lost, %d refused as unavailable; the longest time without one was %s",
		d.edits[0].Load()+d.edits[1].Load()+d.edits[2].Load(), lost, d.unavailable.Load(), d.gap.Round(time.Millisecond))
	if d.denied.Load()+d.undecided.Load()+d.let.Load() > 0 || lost > 0 || d.lagged == 0 {
		t.Error("this must not be")
	}
}

// step runs one disturbance, and waits until edits are acknowledged at the replicas; by
// default at all.
func (d *disturbance) step(what string, do func(), at ...int) {
	d.t.Helper()
	start := time.Now()
	do()
	took := time.Since(start)
	d.t.Logf("figures: %s: %s, and %s until edits were made everywhere", what, took.Round(time.Millisecond), d.edited(what, 10, at...).Round(time.Millisecond))
}

// edited waits for n more edits at every replica.
func (d *disturbance) edited(what string, n int64, at ...int) time.Duration {
	d.t.Helper()
	if len(at) == 0 {
		at = []int{0, 1, 2}
	}
	var want [3]int64
	for _, i := range at {
		want[i] = d.edits[i].Load() + n
	}
	return within(d.t, time.Minute, "edits are made again: "+what, func() bool {
		for i := range want {
			if d.edits[i].Load() < want[i] {
				return false
			}
		}
		return true
	})
}

func (d *disturbance) whole(c *cluster) {
	d.t.Helper()
	within(d.t, time.Minute, "the cluster is whole", func() bool { return c.whole("usher") })
}

// connect connects users who must be admitted, at one replica.
func (d *disturbance) connect(ctx context.Context, at int) {
	r := d.replicas[at]
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		if <-pace.C; !r.up.Load() {
			continue
		}
		d.admit(r, steady(n%steadyUsers))
	}
}

// admit connects a user who must be admitted.
func (d *disturbance) admit(r *replica, name string) {
	d.connects.Add(1)
	before := r.store.Load().Status().Revision
	switch ok, outcome := r.may(name, "shop.orders"); {
	case ok:
	case outcome == callout.Unavailable:
		d.undecided.Add(1)
	default:
		d.denied.Add(1)
		d.t.Errorf("%s is kept out (%s) at revision %d to %d", name, outcome, before, r.store.Load().Status().Revision)
	}
}

// edit adds users at one replica, with a key, a membership and an ACL entry, and removes
// every other one of them.
func (d *disturbance) edit(ctx context.Context, at int, removed chan<- string) {
	r := d.replicas[at]
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		<-pace.C
		name := fmt.Sprintf("edit-%d-%d", at, n)
		if !d.make(r, at, name, true) || n%2 == 0 {
			continue
		}
		if !d.make(r, at, name, false) {
			continue
		}
		select {
		case removed <- name:
		default:
		}
	}
}

// make adds or removes a user, and checks that the change is in use. It returns false if
// the change was not acknowledged.
func (d *disturbance) make(r *replica, at int, name string, there bool) bool {
	r.busy.RLock()
	defer r.busy.RUnlock()
	if !r.up.Load() {
		return false
	}
	id := directory.IDOf(directory.KindUser, name)
	_, err := r.store.Load().Change(context.Background(), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if !there {
			return s.RemoveUser(id), nil
		}
		return append(member(name), aclWith(d.t, s, name)), nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.want, name)
	switch {
	case errors.Is(err, kv.ErrUnavailable):
		d.unavailable.Add(1)
		return false
	case err != nil:
		d.t.Errorf("%s: %v", name, err)
		return false
	}
	d.want[name] = there
	d.edits[at].Add(1)
	d.gap = max(d.gap, time.Since(d.last))
	d.last = time.Now()
	if there {
		d.admit(r, name)
		return true
	}
	d.connects.Add(1)
	if _, outcome := r.may(name, "shop.orders"); outcome != callout.Denied {
		d.let.Add(1)
	}
	return true
}

// refuse measures how long removed users are admitted at other replicas.
func (d *disturbance) refuse(ctx context.Context, removed <-chan string) {
	for {
		var name string
		select {
		case name = <-removed:
		case <-ctx.Done():
			return
		}
		start := time.Now()
		for _, r := range d.replicas {
			tick := time.NewTicker(time.Millisecond)
			for ctx.Err() == nil && r.up.Load() {
				if _, outcome := r.may(name, "shop.orders"); outcome == callout.Denied {
					break
				}
				if <-tick.C; time.Since(start) > time.Minute {
					d.t.Errorf("%s is let in a minute after it was removed", name)
					break
				}
			}
			tick.Stop()
		}
		d.lag = max(d.lag, time.Since(start))
		d.lagged++
	}
}

// lost counts the acknowledged edits that a replica or the bucket lacks. It reads the
// bucket again.
func (d *disturbance) lost() (n int) {
	d.t.Helper()
	fresh, err := kv.Open(kv.Config{Conn: connect(d.t, d.replicas[0].url), Bucket: "usher", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	callouttest.Must(d.t, err)
	ctx, stop := context.WithCancel(d.t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { callouttest.Must(d.t, fresh.Run(ctx)) })
	defer ended.Wait()
	defer stop()
	within(d.t, time.Minute, "the bucket is read anew", func() bool { return fresh.Snapshot() != nil })
	stores := []*kv.Store{fresh}
	for _, r := range d.replicas {
		stores = append(stores, r.store.Load())
	}
	newest := uint64(0)
	for _, s := range stores {
		newest = max(newest, s.Status().Revision)
	}
	for _, s := range stores {
		within(d.t, time.Minute, "every replica has followed", func() bool { return s.Status().Revision >= newest })
	}
	for name, exists := range maps.All(d.want) {
		for _, s := range stores {
			_, ok := s.Snapshot().LookupKey(directory.DigestOf(name))
			m, _ := s.Snapshot().Member("shop", name)
			if ok != exists || exists != (len(m.Topics) == 1) {
				n++
				break
			}
		}
	}
	return n
}
