package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/directory"
)

func TestAcknowledge(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publish(t, make([]string, 100)...)
	got := f.pull(t, 100)
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got[:60])))
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got[:60]))) // again is as good
	must(t, f.Acknowledge(f.ctx(t), f.sub, nil))
	must(t, f.Return(f.ctx(t), f.sub, deliveries(got[60:])))
	again := f.pull(t, 40)
	for i, m := range again {
		if m.ID != got[60+i].ID || m.Delivery.Count != 2 {
			t.Fatalf("message %d comes again as %+v", i, m.Delivery)
		}
	}
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(again)))
	f.info(t, "all acknowledged", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 0 && i.AckFloor.Stream == 100 })
}

func TestAcknowledgeLate(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publish(t, "a", "b")
	now := time.Now()
	f.now = func() time.Time { return now }
	got := f.pull(t, 1)
	now = now.Add(9 * time.Second)
	got = append(got, f.pull(t, 1)...)
	now = now.Add(time.Second)
	if err := f.Acknowledge(f.ctx(t), f.sub, deliveries(got)); !errors.Is(err, messages.ErrAckTimeout) {
		t.Errorf("got %v", err)
	}
	f.info(t, "one out", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 1 })
	must(t, f.Return(f.ctx(t), f.sub, deliveries(got)))
}

// What the comment in ack.go says of nats-server.
func TestStaleAcknowledgements(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publish(t, "a", "b", "c")
	got := f.pull(t, 3)
	must(t, f.Return(f.ctx(t), f.sub, deliveries(got[:1])))
	f.pull(t, 1) // again
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got[:1])))
	f.info(t, "two out", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 2 })

	must(t, f.Move(f.ctx(t), f.sub, 2))
	if err := f.Acknowledge(f.ctx(t), f.sub, deliveries(got[2:])); !errors.Is(err, messages.ErrAckTimeout) {
		t.Errorf("after a move back: %v", err)
	}
	f.pull(t, 2)
	must(t, f.Move(f.ctx(t), f.sub, 4))
	must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got[1:])))
}

// A delivery of one subscription acknowledges nothing of another, and a made-up one nothing.
//
// Attack: a consumer acknowledges messages of another subscription with a delivery of its own
// Held by: the subject of an acknowledgement has the names of the directory, and nothing that a client sent but numbers
func TestForgedDeliveries(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.consume(t, "other", func(*jetstream.ConsumerConfig) {})
	f.publish(t, "a")
	got := f.pull(t, 1)
	other := f.sub
	other.Subscription = &directory.Subscription{Name: "other", Topic: "T"}
	if err := f.Acknowledge(f.ctx(t), other, deliveries(got)); !errors.Is(err, messages.ErrAckTimeout) {
		t.Errorf("delivery of another subscription: %v", err)
	}
	other.Subscription = &directory.Subscription{Name: "no", Topic: "T"}
	if err := f.Acknowledge(f.ctx(t), other, deliveries(got)); !errors.Is(err, messages.ErrNoConsumer) {
		t.Errorf("no subscription: %v", err)
	}
	forged := messages.Delivery{Stream: 77, Consumer: 1 << 63, Count: 3, Timestamp: -5, At: time.Now()}
	if err := f.Acknowledge(f.ctx(t), f.sub, []messages.Delivery{forged}); !errors.Is(err, messages.ErrAckTimeout) {
		t.Errorf("made up: %v", err)
	}
	f.info(t, "one out", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 1 })
}
