package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// TopicState returns what a topic holds.
func (s *Store) TopicState(ctx context.Context, topic messages.TopicRef) (messages.TopicState, error) {
	subject := topic.Topic.Subject
	stream, info, err := s.stream(ctx, topic.Project.Account, topic.Project.Name, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return messages.TopicState{}, err
	}
	state := &info.State
	var t messages.TopicState
	for _, n := range state.Subjects {
		t.Messages += n
	}
	// The stream counts neither bytes of a subject, nor messages that it does not have any more.
	if state.Msgs > 0 {
		t.Bytes = uint64(float64(state.Bytes) * float64(t.Messages) / float64(state.Msgs))
	}
	t.Published = state.LastSeq - (state.Msgs - t.Messages)
	if t.Messages == 0 {
		return t, nil
	}
	if t.Oldest, err = s.storedAt(ctx, stream, state.FirstSeq, subject); err != nil {
		return messages.TopicState{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	switch last, err := stream.GetLastMsgForSubject(ctx, subject); {
	case err == nil:
		t.Newest = last.Time.UTC()
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return messages.TopicState{}, fmt.Errorf("last message: %w", err)
	}
	return t, nil
}

// storedAt returns when the first message of a subject from a sequence on was stored; zero:
// there is none.
func (s *Store) storedAt(ctx context.Context, stream jetstream.Stream, from uint64, subject string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	m, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("message %d: %w", from, err)
	}
	return m.Time.UTC(), nil
}

// SubscriptionState returns how far a subscription has come.
func (s *Store) SubscriptionState(ctx context.Context, sub messages.SubscriptionRef) (messages.SubscriptionState, error) {
	stream, offsets, info, err := s.position(ctx, sub)
	if err != nil {
		return messages.SubscriptionState{}, err
	}
	state := messages.SubscriptionState{
		Offsets: offsets,
		Pending: info.NumPending, AckPending: info.NumAckPending, Redelivered: info.NumRedelivered,
		Waiting: info.NumWaiting, Consumed: info.AckFloor.Consumer,
	}
	if info.AckFloor.Last != nil {
		state.LastAck = info.AckFloor.Last.UTC()
	}
	if state.Pending > 0 || state.AckPending > 0 {
		state.Oldest, err = s.storedAt(ctx, stream, state.Offsets.Current, sub.Topic.Subject)
	}
	return state, err
}
