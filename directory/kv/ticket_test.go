package kv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// A writer that is always slower than another one commits its change, both a small one and
// one in parts.
func TestSlowWriter(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string]int{"small": 1, "in parts": 2*directory.MaxChange + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := startNode(t).url()
			fast := loaded(t, start(t, kv.Config{Conn: connect(t, url), Create: true}))
			slow := loaded(t, start(t, kv.Config{Conn: connect(t, url)}))
			setUp(t, fast)
			callouttest.Eventually(t, "both replicas are up to date", func() bool { return slow.Status().Revision == fast.Status().Revision })

			var made atomic.Int64
			stop := make(chan struct{})
			var ended sync.WaitGroup
			ended.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					change(t, fast, func(*snapshot.Snapshot) ([]directory.Entry, error) {
						return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), "busy"), &directory.Topic{Created: time.Unix(int64(i), 0)}), nil
					})
					made.Add(1)
				}
			})
			again := func(n int64, limit time.Duration) bool {
				from, end := made.Load(), time.NewTimer(limit)
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for made.Load() < from+n {
					select {
					case <-tick.C:
					case <-end.C:
						return false
					}
				}
				return true
			}
			calls, alone := 0, 0
			f := func(*snapshot.Snapshot) ([]directory.Entry, error) {
				calls++
				if !again(3, 200*time.Millisecond) { // no other writer commits
					alone++
				}
				var all []directory.Entry
				for i := range entries {
					all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("slow-%d", i)), Value: &directory.Topic{}})
				}
				return all, nil
			}
			next, err := slow.Change(t.Context(), f)
			for errors.Is(err, kv.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
				next, err = slow.Change(t.Context(), f) // a reply was late, and the other writer has overwritten the message that shows the outcome
			}
			callouttest.Must(t, err)
			if got := next.Size().Topics; got < entries+1 {
				t.Errorf("%d topics, want %d more", got, entries)
			}
			if alone == 0 {
				t.Error("the fast writer has never waited")
			}
			if !again(3, 20*time.Second) {
				t.Error("the fast writer commits no more changes")
			}
			close(stop)
			ended.Wait()
			t.Logf("%d calls, %d of them alone; %d changes of the other", calls, alone, made.Load())
		})
	}
}

// An abandoned ticket expires, and a ticket is not an entry.
func TestAbandonedTicket(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := connect(t, n.url())
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true}))
	ticket := func(id string, closed bool) {
		m := nats.NewMsg("$KV.usher.turn")
		m.Header.Set("Usher-Turn", id)
		if closed {
			m.Header.Set("KV-Operation", "DEL")
		}
		answer, err := c.RequestMsg(m, 10*time.Second)
		callouttest.Must(t, err)
		var taken struct{ Seq uint64 }
		callouttest.Must(t, json.Unmarshal(answer.Data, &taken))
		callouttest.Eventually(t, "the message has arrived", func() bool { return s.Status().Revision >= taken.Seq })
	}
	ticket("gone", false)
	add(t, s, "alice")
	ticket("first", false)
	ticket("second", false)
	ticket("first", true)
	ticket("second", true)
	add(t, s, "bob")
	ticket("unknown", true)
	add(t, s, "carol")
	if st := s.Status(); len(st.Faults) > 0 || !has(s.Snapshot(), "alice", "bob", "carol") {
		t.Errorf("%+v", st)
	}
	ticket("before it starts", false)
	late := loaded(t, start(t, kv.Config{Conn: connect(t, n.url())}))
	add(t, late, "dave")
	if st := late.Status(); len(st.Faults) > 0 || !has(late.Snapshot(), "alice", "bob", "carol", "dave") {
		t.Errorf("%+v", st)
	}
}

// A writer behind a slow connection uses its ticket, although messages of failed attempts
// are still on their way.
func TestTicketOnSlowConnection(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	fast := loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true}))
	setUp(t, fast)
	p := startProxy(t, n.addr())
	p.slow(200_000)
	slow := loaded(t, start(t, kv.Config{Conn: connect(t, p.url())}))
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			case <-pace.C:
			}
			change(t, fast, func(*snapshot.Snapshot) ([]directory.Entry, error) {
				return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), "busy"), &directory.Topic{Created: time.Unix(i, 0)}), nil
			})
		}
	})
	defer func() { close(stop); ended.Wait() }()
	change(t, slow, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		var all []directory.Entry
		for i := range directory.MaxChange {
			all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("slow-%d", i)), Value: &directory.Topic{}})
		}
		return all, nil
	})
}
