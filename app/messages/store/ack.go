package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"usher/api/messages"
	"usher/api/wire"
)

// How nats-server 2.15 answers an acknowledgement, measured (TestStaleAcknowledgements):
//
//   - It counts whatever the delivery says. A message that is out is acknowledged, also if it
//     was delivered again since, to whomever; the numbers of delivery, consumer and time in the
//     subject are not compared with anything.
//   - For a message that is not out, because it was acknowledged before or passed over when the
//     consumer was moved, the answer is the same as if it was.
//   - For a sequence that the consumer has not come to, as after it was moved back, there is no
//     answer.
//   - Without the consumer, or while it has no leader, nobody is there to answer.
//
// So JetStream does not tell that an acknowledgement came too late. The age of the delivery
// does: after the ack deadline the message is out for somebody else or will be, and an
// acknowledgement could hide that this one failed.
var (
	ackBody = []byte("+ACK")
	nakBody = []byte("-NAK")
)

// confirmPatience is how long to wait for confirmations before the consumer is asked for.
const confirmPatience = time.Second

// Acknowledge acknowledges deliveries. Those that are in time are acknowledged also if others
// are not, for which it then returns ErrAckTimeout.
func (s *Store) Acknowledge(ctx context.Context, sub messages.SubscriptionRef, deliveries []messages.Delivery) error {
	return s.answer(ctx, sub, deliveries, ackBody)
}

// Return gives messages back. What is too late was given back already.
func (s *Store) Return(ctx context.Context, sub messages.SubscriptionRef, deliveries []messages.Delivery) error {
	err := s.answer(ctx, sub, deliveries, nakBody)
	if errors.Is(err, messages.ErrAckTimeout) {
		return nil
	}
	return err
}

// answer sends body for each delivery that is not too old, and waits until JetStream confirms.
func (s *Store) answer(ctx context.Context, sub messages.SubscriptionRef, deliveries []messages.Delivery, body []byte) error {
	a, err := s.account(ctx, sub.Project.Account)
	if err != nil {
		return err
	}
	oldest := s.cfg.Now().Add(-deadline(sub))
	inTime := make([]messages.Delivery, 0, len(deliveries))
	for _, d := range deliveries {
		if d.At.After(oldest) {
			inTime = append(inTime, d)
		}
	}
	late := len(inTime) < len(deliveries)
	slices.SortFunc(inTime, func(a, b messages.Delivery) int { return cmp.Compare(a.Stream, b.Stream) })
	for len(inTime) > 0 {
		n := min(len(inTime), s.cfg.MaxInFlight)
		if err := s.confirm(ctx, a, sub, inTime[:n], body); err != nil {
			return err
		}
		inTime = inTime[n:]
	}
	if late {
		return messages.ErrAckTimeout
	}
	return nil
}

func deadline(sub messages.SubscriptionRef) time.Duration {
	return time.Duration(cmp.Or(sub.Subscription.AckDeadline, wire.DefaultAckDeadline)) * time.Second
}

// confirm sends body for at most MaxInFlight deliveries, sorted by their sequences in the stream,
// and waits until JetStream confirms the last one. A consumer acts on what comes over one
// connection in order, so that is the confirmation of all: an answer to each would be twice as
// many messages. What is lost on its way to the leader of the consumer, as when it fails just then,
// is delivered again.
func (s *Store) confirm(ctx context.Context, a *account, sub messages.SubscriptionRef, deliveries []messages.Delivery, body []byte) error {
	release, err := a.inFlight.acquire(ctx, subscriptionSlots(sub), len(deliveries))
	if err != nil {
		return fmt.Errorf("wait to acknowledge: %w", err)
	}
	defer release()
	reconnects := a.conn.Stats().Reconnects
	last := len(deliveries) - 1
	for _, d := range deliveries[:last] {
		if err := a.conn.Publish(AckSubject(sub, d), body); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
	b, err := a.request([]nats.Msg{{Subject: AckSubject(sub, deliveries[last]), Data: body}}, isConfirmation)
	if err != nil {
		return err
	}
	defer b.stop()
	answers, err := b.wait(ctx, min(confirmPatience, s.cfg.Timeout), nil)
	if errors.Is(err, errNoAnswer) {
		if err := s.whyUnconfirmed(ctx, sub, deliveries[last]); err != nil {
			return err
		}
		answers, err = b.wait(ctx, s.cfg.Timeout, nil)
	}
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(answers, isNoResponders):
		return s.whyNoConsumer(ctx, sub)
	case a.conn.Stats().Reconnects != reconnects:
		return errDisconnected // the others may have been lost
	}
	return nil
}

// isConfirmation reports whether a message can be JetStream's answer to an acknowledgement,
// which is empty. A project can have answers to its own messages sent to any subject.
func isConfirmation(m *nats.Msg) bool { return len(m.Data) == 0 }

// whyUnconfirmed says why JetStream did not answer an acknowledgement; nil: it may still do so.
func (s *Store) whyUnconfirmed(ctx context.Context, sub messages.SubscriptionRef, last messages.Delivery) error {
	info, err := s.consumerInfo(ctx, sub)
	if err != nil {
		return err
	}
	if last.Stream > info.Delivered.Stream {
		return messages.ErrAckTimeout // the consumer was moved back
	}
	return nil
}
