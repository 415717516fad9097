package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// noLeaderPause is how long a publisher waits before it tries again while nobody serves the
// stream, as while its leader is elected.
const noLeaderPause = 250 * time.Millisecond

// Publish stores messages in order. They travel without waiting for each other.
//
// A stream that refuses one message may have stored those before and after it. Whoever
// publishes all of them again needs a DedupeID not to have them twice.
func (s *Store) Publish(ctx context.Context, topic messages.TopicRef, msgs []messages.Message) ([]string, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	a, err := s.account(ctx, topic.Project.Account)
	if err != nil {
		return nil, err
	}
	out := make([]nats.Msg, len(msgs))
	for i := range msgs {
		if err := s.prepare(a.conn, topic, &msgs[i], &out[i]); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
	}
	ids := make([]string, 0, len(msgs))
	for len(out) > 0 {
		n := min(len(out), s.cfg.MaxInFlight)
		if ids, err = s.publish(ctx, a, topic, out[:n], ids); err != nil {
			return nil, err
		}
		out = out[n:]
	}
	return ids, nil
}

// prepare makes the NATS message of a message.
func (s *Store) prepare(conn *nats.Conn, topic messages.TopicRef, m *messages.Message, out *nats.Msg) error {
	header, err := HeaderOf(m.Attributes)
	if err != nil {
		return err
	}
	if m.DedupeID != "" {
		if header == nil {
			header = make(nats.Header, 1)
		}
		header[jetstream.MsgIDHeader] = []string{m.DedupeID}
	}
	size := headerSize(header)
	// A stream keeps the length of headers in 16 bits.
	if most := conn.MaxPayload(); size > math.MaxUint16 || most > 0 && int64(size+len(m.Data)) > most {
		return fmt.Errorf("%w: %d bytes with its attributes", messages.ErrTooLarge, size+len(m.Data))
	}
	out.Subject, out.Header, out.Data = topic.Topic.Subject, header, m.Data
	return nil
}

// headerSize is the size of headers on the wire.
func headerSize(header nats.Header) int {
	if len(header) == 0 {
		return 0
	}
	size := len("NATS/1.0\r\n\r\n")
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return size
}

// publish publishes at most MaxInFlight messages, and appends their ids.
func (s *Store) publish(ctx context.Context, a *account, topic messages.TopicRef, out []nats.Msg, ids []string) ([]string, error) {
	release, err := a.inFlight.acquire(ctx, topicSlots(topic), len(out))
	if err != nil {
		return nil, fmt.Errorf("wait to publish: %w", err)
	}
	defer release()
	for tries := s.cfg.Timeout / noLeaderPause; ; tries-- {
		answers, err := s.send(ctx, a, topic, out)
		if isUnserved(answers) {
			// Nothing was stored, so nothing is published twice or out of order.
			if err := s.whyNoTopic(ctx, topic); !errors.Is(err, errNoLeader) || tries <= 0 {
				return nil, err
			}
			if err := pause(ctx, noLeaderPause); err != nil {
				return nil, err
			}
			continue
		}
		return appendIDs(ids, answers, topic.Project.Name, err)
	}
}

// send sends messages, and returns the answers to them.
func (s *Store) send(ctx context.Context, a *account, topic messages.TopicRef, out []nats.Msg) ([]*nats.Msg, error) {
	b, err := a.request(out, func(m *nats.Msg) bool { return isAnswerOf(m, topic.Project.Name) })
	if err != nil {
		return nil, err
	}
	defer b.stop()
	answers, err := b.wait(ctx, s.cfg.Timeout, b.refused)
	if errors.Is(err, errForeign) {
		// Another stream has the subject; or else another project sends the answers to its own
		// messages here, which are nothing to wait for.
		if why := s.whyNoTopic(ctx, topic); errors.Is(why, messages.ErrNoStream) {
			return nil, why
		}
		answers, err = b.wait(ctx, s.cfg.Timeout, nil)
	}
	return answers, err
}

// isUnserved reports whether nobody received any of the messages.
func isUnserved(answers []*nats.Msg) bool {
	for _, m := range answers {
		if m == nil || !isNoResponders(m) {
			return false
		}
	}
	return len(answers) > 0
}

// appendIDs appends the ids in the answers to messages, or returns the first error.
func appendIDs(ids []string, answers []*nats.Msg, stream string, err error) ([]string, error) {
	for _, m := range answers {
		if m == nil {
			continue // err says why
		}
		sequence, err := readAck(m, stream)
		if err != nil {
			return nil, err
		}
		ids = append(ids, strconv.FormatUint(sequence, 10))
	}
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// pause waits for some time.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
