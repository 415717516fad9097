package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/directory"
)

func TestOffsets(t *testing.T) {
	t.Parallel()
	f := start(t)
	want := func(minimum, maximum, current uint64) {
		t.Helper()
		o, err := f.Offsets(f.ctx(t), f.sub)
		must(t, err)
		if (o != messages.Offsets{Min: minimum, Max: maximum, Current: current}) {
			t.Errorf("offsets %+v, expected %d to %d, at %d", o, minimum, maximum, current)
		}
	}
	want(1, 1, 1)
	f.publish(t, "1", "2", "3", "4", "5")
	want(1, 6, 1)
	got := f.pull(t, 3)
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got[:2])))
	want(1, 6, 3)
	stream, err := f.other.Stream(f.ctx(t), "P")
	must(t, err)
	must(t, stream.Purge(f.ctx(t), jetstream.WithPurgeSequence(5)))
	want(5, 6, 5)
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(append(got[2:], f.pull(t, 1)...))))
	want(5, 6, 6)
	_, err = f.other.Publish(f.ctx(t), "P.U", []byte("another topic"))
	must(t, err)
	want(5, 7, 7)
	f.publish(t, "7")
	want(5, 8, 6)
}

// move tests moves of a consumer that was made with a policy.
func move(t *testing.T, policy jetstream.DeliverPolicy) {
	t.Helper()
	f := start(t)
	f.sub.Subscription = &directory.Subscription{Name: "moved", Topic: "T"}
	f.consume(t, "moved", func(c *jetstream.ConsumerConfig) {
		c.DeliverPolicy, c.AckWait, c.Metadata = policy, 77*time.Second, map[string]string{"kept": "yes"}
	})
	f.publish(t, "1", "2", "3", "4", "5")
	f.pull(t, 2)
	for _, to := range []uint64{4, 2, 3, 1, 6, 5} {
		must(t, f.Move(f.ctx(t), f.sub, to))
		if to == 6 {
			f.nothing(t)
			continue
		}
		if got := f.pull(t, 1); got[0].Delivery.Stream != to || got[0].Delivery.Count != 1 {
			t.Errorf("moved to %d, got %+v", to, got[0].Delivery)
		}
	}
	for _, to := range []uint64{0, 7, 1 << 63} {
		if err := f.Move(f.ctx(t), f.sub, to); !errors.Is(err, messages.ErrOffset) {
			t.Errorf("moved to %d: %v", to, err)
		}
	}
	c, err := f.other.Consumer(f.ctx(t), "P", "moved")
	must(t, err)
	if cfg := c.CachedInfo().Config; cfg.AckWait != 77*time.Second || cfg.Metadata["kept"] != "yes" || cfg.FilterSubject != "P.T" || cfg.Durable != "moved" {
		t.Errorf("configuration %+v", cfg)
	}
}

func TestMove(t *testing.T)            { move(t, jetstream.DeliverAllPolicy) }
func TestMoveNewMessages(t *testing.T) { move(t, jetstream.DeliverNewPolicy) }

// Who pulls while the subscription is moved waits on.
func TestMoveWhilePulling(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publish(t, "1")
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(f.pull(t, 1))))
	done := make(chan []messages.Received)
	go func() {
		got, err := f.Pull(f.ctx(t), f.sub, 1, 1<<20, timeout)
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	f.info(t, "a waiting request", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 1 })
	must(t, f.Move(f.ctx(t), f.sub, 1))
	if got := <-done; len(got) != 1 || string(got[0].Data) != "1" {
		t.Errorf("got %v", got)
	}
}

func TestOffsetAt(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := func(when time.Time, want uint64) {
		t.Helper()
		if got, err := f.OffsetAt(f.ctx(t), f.sub, when); err != nil || got != want {
			t.Errorf("offset at %s is %d, %v, expected %d", when, got, err, want)
		}
	}
	at(time.Now(), 1)
	f.publish(t, "1")
	f.publish(t, "2")
	f.publish(t, "3")
	got := f.pull(t, 3)
	at(time.Time{}.AddDate(1900, 0, 0), 1)
	at(got[0].Published, 1)
	at(got[1].Published, 2)
	at(got[1].Published.Add(1), 3)
	at(got[2].Published.Add(time.Hour), 4)
	at(got[2].Published.Add(1), 4)
}

func TestStates(t *testing.T) {
	t.Parallel()
	f := start(t)
	topic := func() messages.TopicState {
		s, err := f.TopicState(f.ctx(t), f.topic)
		must(t, err)
		return s
	}
	if s := topic(); s != (messages.TopicState{}) {
		t.Errorf("empty: %+v", s)
	}
	_, err := f.other.Publish(f.ctx(t), "P.U", []byte("another topic"))
	must(t, err)
	f.publish(t, "a", "b")
	got := f.pull(t, 1)
	s := topic()
	if s.Messages != 2 || s.Published != 2 || !s.Oldest.Equal(got[0].Published) || !s.Newest.After(s.Oldest) || s.Bytes == 0 {
		t.Errorf("topic %+v", s)
	}
	sub, err := f.SubscriptionState(f.ctx(t), f.sub)
	must(t, err)
	if sub.Pending != 1 || sub.AckPending != 1 || !sub.Oldest.Equal(got[0].Published) || !sub.LastAck.IsZero() || sub.Consumed != 0 {
		t.Errorf("subscription %+v", sub)
	}
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(append(got, f.pull(t, 1)...))))
	sub, err = f.SubscriptionState(f.ctx(t), f.sub)
	must(t, err)
	if sub.Pending != 0 || sub.AckPending != 0 || !sub.Oldest.IsZero() || sub.LastAck.IsZero() || sub.Offsets.Current != 4 || sub.Consumed != 2 {
		t.Errorf("subscription %+v", sub)
	}
	// The stream drops the first message of each topic: the topic's own is not forgotten.
	stream, err := f.other.Stream(f.ctx(t), "P")
	must(t, err)
	must(t, stream.Purge(f.ctx(t), jetstream.WithPurgeSequence(3)))
	if s := topic(); s.Messages != 1 || s.Published != 3 || s.Bytes == 0 {
		t.Errorf("topic %+v", s)
	}
	f.topic.Project = &directory.Project{Name: "no"}
	if _, err := f.TopicState(f.ctx(t), f.topic); !errors.Is(err, messages.ErrNoStream) {
		t.Errorf("no stream: %v", err)
	}
}
