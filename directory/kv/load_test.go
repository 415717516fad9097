package kv_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// A store that loads a bucket while it is edited never serves a directory that lacks an
// overwritten entry.
func TestLoadWhileEdited(t *testing.T) {
	t.Parallel()
	const topics, loads = 5000, 10
	url := startNode(t).url()
	s := loaded(t, start(t, kv.Config{Conn: connect(t, url), Create: true}))
	setUp(t, s)
	change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		var all []directory.Entry
		for i := range topics {
			all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("topic-%d", i)), Value: &directory.Topic{}})
		}
		return all, nil
	})
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			change(t, s, func(now *snapshot.Snapshot) ([]directory.Entry, error) {
				if i%2 == 0 {
					return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), "busy"), &directory.Topic{Created: time.Unix(i, 0)}), nil
				}
				names, _, _ := now.ACL(directory.KindTopicACL, "shop", "orders")
				acl := &directory.ACL{}
				for _, name := range names {
					acl.Users = append(acl.Users, directory.IDOf(directory.KindUser, name))
				}
				return directory.Put(ordersACL(), acl), nil
			})
		}
	})
	defer func() { close(stop); ended.Wait() }()

	var mu sync.Mutex
	var next *kv.Store
	short := 0
	look := func(kv.Changed) {
		mu.Lock()
		defer mu.Unlock()
		if m, _ := next.Snapshot().Member("shop", steady(0)); len(m.Topics) != 1 || next.Snapshot().Size().Topics < topics {
			short++
		}
	}
	for range loads {
		mu.Lock()
		next = open(t, kv.Config{Conn: connect(t, url), OnChange: look})
		mu.Unlock()
		end := run(t, next)
		callouttest.Eventually(t, "it is loaded", func() bool { return next.Snapshot() != nil })
		at := next.Status().Revision
		callouttest.Eventually(t, "the store follows", func() bool { return next.Status().Revision > at+10 })
		end()
	}
	if short > 0 {
		t.Errorf("%d directories were served that lacked something", short)
	}
}

// mislaid receives redirected requests, and answers none.
func mislaid(t *testing.T, c *nats.Conn) <-chan *nats.Msg {
	t.Helper()
	heard := make(chan *nats.Msg, 1)
	sub, err := c.ChanSubscribe("mislaid.>", heard)
	callouttest.Must(t, err)
	t.Cleanup(func() { callouttest.Must(t, sub.Unsubscribe()) })
	callouttest.Must(t, c.Flush())
	return heard
}

// A lost reply does not prevent the next request.
func TestLostReply(t *testing.T) {
	t.Parallel()
	for _, asked := range []string{"$JS.API.STREAM.MSG.GET", "$JS.API.CONSUMER.CREATE"} {
		t.Run(asked, func(t *testing.T) {
			t.Parallel()
			n := startNode(t)
			c := connect(t, n.url())
			add(t, loaded(t, start(t, kv.Config{Conn: c, Create: true})), "alice")
			heard := mislaid(t, c)
			p := startProxy(t, n.addr())
			done := p.next(asked, redirect)
			s := start(t, kv.Config{Conn: connect(t, p.url())})
			<-done
			<-heard
			if !has(loaded(t, s).Snapshot(), "alice") {
				t.Error("she is not there")
			}
		})
	}
}

// A lost reply does not prevent a replica from resuming.
func TestResumeAfterLostReply(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	c := connect(t, n.url())
	path := cached(t, c, "ada")
	heard := mislaid(t, c)
	p := startProxy(t, n.addr())
	p.redirectEveryOther("$JS.API.STREAM.MSG.GET") // so a store that loads the whole bucket does not finish
	before := time.Now()
	var log callouttest.Buffer
	s := start(t, kv.Config{Conn: connect(t, p.url()), Cache: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	<-heard
	callouttest.Eventually(t, "the store follows", func() bool { return s.Status().Checked.After(before) })
	if text := log.String(); strings.Contains(text, `msg="directory loaded"`) {
		t.Error(text)
	}
}

// A change that arrives slowly is used only when all of it has arrived.
func TestSlowConnection(t *testing.T) {
	t.Parallel()
	const topics = 500
	n := startNode(t)
	s := loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true}))
	setUp(t, s)
	had := s.Snapshot().Size().Topics
	p := startProxy(t, n.addr())
	var far *kv.Store
	var served sync.Map
	far = open(t, kv.Config{Conn: connect(t, p.url()), OnChange: func(kv.Changed) { served.Store(far.Snapshot().Size().Topics-had, true) }})
	run(t, far)
	loaded(t, far)
	there, pass := p.hold(".shop-300 ")
	defer pass()
	change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		var all []directory.Entry
		for i := range topics {
			all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("shop-%d", i)), Value: &directory.Topic{}})
		}
		return all, nil
	})
	<-there
	<-time.After(1500 * time.Millisecond)
	pass()
	callouttest.Eventually(t, "the whole change has arrived", func() bool { return far.Snapshot().Size().Topics == had+topics })
	served.Range(func(n, _ any) bool {
		if n != 0 && n != topics {
			t.Errorf("%d of %d were served", n, topics)
		}
		return true
	})
}
