package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/directory"
)

func TestPullWaits(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.nothing(t)
	if got, err := f.Pull(f.ctx(t), f.sub, 10, 1<<20, 50*time.Millisecond); len(got) > 0 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	done := make(chan []messages.Received)
	go func() {
		got, err := f.Pull(f.ctx(t), f.sub, 10, 1<<20, timeout)
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	f.info(t, "a waiting request", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 1 })
	f.publish(t, "a")
	if got := <-done; len(got) != 1 || string(got[0].Data) != "a" {
		t.Errorf("got %v", got)
	}
	f.info(t, "no waiting request", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 0 })
}

func TestPullMaxBytes(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publish(t, strings.Repeat("a", 1000), strings.Repeat("b", 1000), strings.Repeat("c", 5000), "d")
	for _, want := range []string{"ab", "c", "d"} {
		got, err := f.Pull(f.ctx(t), f.sub, 10, 3000, timeout)
		must(t, err)
		var have strings.Builder
		for _, m := range got {
			have.WriteByte(m.Data[0])
		}
		if have.String() != want {
			t.Errorf("got %s, expected %s", &have, want)
		}
	}
	f.nothing(t)
}

// Who goes away while waiting takes no message along.
func TestPullLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := start(t)
	for range 20 {
		ctx, cancel := context.WithCancel(f.ctx(t))
		var left sync.WaitGroup
		for range 5 {
			left.Go(func() {
				got, err := f.Pull(ctx, f.sub, 10, 1<<20, timeout)
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if err := f.Return(f.ctx(t), f.sub, deliveries(got)); err != nil {
					t.Error(err)
				}
			})
		}
		left.Go(func() {
			f.publish(t, "a", "b", "c")
		})
		left.Go(cancel)
		left.Wait()
		// The ack deadline of 10 s is not waited for: what is out comes back before.
		ctx, cancel = context.WithTimeout(t.Context(), 9*time.Second)
		seen := map[string]bool{}
		for len(seen) < 3 {
			got, err := f.Pull(ctx, f.sub, 10, 1<<20, timeout)
			must(t, err)
			for _, m := range got {
				seen[m.ID] = true
			}
			must(t, f.Acknowledge(ctx, f.sub, deliveries(got)))
		}
		cancel()
	}
	f.info(t, "nothing out", func(i *jetstream.ConsumerInfo) bool {
		return i.NumAckPending == 0 && i.NumPending == 0 && i.NumWaiting == 0
	})
}

func TestPullWithoutConsumer(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.sub.Subscription = &directory.Subscription{Name: "no", Topic: "T"}
	for _, wait := range []time.Duration{0, time.Second} {
		if _, err := f.Pull(f.ctx(t), f.sub, 10, 1<<20, wait); !errors.Is(err, messages.ErrNoConsumer) {
			t.Errorf("no consumer: %v", err)
		}
	}
	project := *f.sub.Project
	f.sub.Project, project.Name = &project, "no"
	if _, err := f.Pull(f.ctx(t), f.sub, 10, 1<<20, 0); !errors.Is(err, messages.ErrNoConsumer) {
		t.Errorf("no stream: %v", err)
	}
}

// A subscription whose messages are all out has none to give, and says so.
func TestPullWithAllOut(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.sub.Subscription = &directory.Subscription{Name: "few", Topic: "T"}
	f.consume(t, "few", func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 1 })
	f.publish(t, "a", "b")
	got := f.pull(t, 1)
	f.nothing(t)
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got)))
	if got := f.pull(t, 1); string(got[0].Data) != "b" {
		t.Errorf("got %q", got[0].Data)
	}
}

func TestPullSideBySide(t *testing.T) {
	t.Parallel()
	f := start(t)
	const pullers, each = 20, 50
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range pullers {
		all.Go(func() {
			for n := 0; n < each; {
				got, err := f.Pull(f.ctx(t), f.sub, min(7, each-n), 1<<20, timeout)
				if err != nil || len(got) == 0 {
					t.Errorf("got %v, %v", got, err)
					return
				}
				n += len(got)
				if err := f.Acknowledge(f.ctx(t), f.sub, deliveries(got)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, m := range got {
					seen[m.ID]++
				}
				mu.Unlock()
			}
		})
	}
	for range pullers * each / 100 {
		f.publish(t, make([]string, 100)...)
	}
	all.Wait()
	if len(seen) != pullers*each {
		t.Errorf("%d messages", len(seen))
	}
	f.nothing(t)
}
