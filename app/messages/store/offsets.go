package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// Offsets returns where a subscription is.
func (s *Store) Offsets(ctx context.Context, sub messages.SubscriptionRef) (messages.Offsets, error) {
	_, o, _, err := s.position(ctx, sub)
	return o, err
}

// position asks where a subscription is. It asks for the stream first: if nothing is left for
// the consumer after that, it has come to the end that the stream had.
func (s *Store) position(ctx context.Context, sub messages.SubscriptionRef) (jetstream.Stream, messages.Offsets, *jetstream.ConsumerInfo, error) {
	stream, streamInfo, err := s.stream(ctx, sub.Project.Account, sub.Project.Name)
	if err != nil {
		return nil, messages.Offsets{}, nil, err
	}
	info, err := s.consumerInfo(ctx, sub)
	if err != nil {
		return nil, messages.Offsets{}, nil, err
	}
	return stream, offsetsOf(&streamInfo.State, info), info, nil
}

// offsetsOf is where a consumer is in its stream, which was asked for before the consumer.
func offsetsOf(state *jetstream.StreamState, info *jetstream.ConsumerInfo) messages.Offsets {
	o := messages.Offsets{Min: max(1, state.FirstSeq), Max: state.LastSeq + 1}
	// The floor stays behind while the stream drops messages of its own, and at the last message
	// of the topic while the stream stores those of others.
	o.Current = min(max(info.AckFloor.Stream+1, o.Min), o.Max)
	if info.NumPending == 0 && info.NumAckPending == 0 {
		o.Current = o.Max
	}
	return o
}

// stream asks for a stream.
func (s *Store) stream(ctx context.Context, account, name string, opts ...jetstream.StreamInfoOpt) (jetstream.Stream, *jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	js, err := s.cfg.Accounts.JetStream(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, nil, assetError(err)
	}
	if len(opts) == 0 {
		return stream, stream.CachedInfo(), nil
	}
	info, err := stream.Info(ctx, opts...)
	if err != nil {
		return nil, nil, assetError(err)
	}
	return stream, info, nil
}

// OffsetAt finds the first message that was stored at or after t. A consumer that exists only
// for the question starts there.
func (s *Store) OffsetAt(ctx context.Context, sub messages.SubscriptionRef, t time.Time) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	js, err := s.cfg.Accounts.JetStream(ctx, sub.Project.Account)
	if err != nil {
		return 0, err
	}
	t = storable(t)
	consumer, err := js.CreateConsumer(ctx, sub.Project.Name, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &t,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return 0, fmt.Errorf("offset at a time: %w", assetError(err))
	}
	info := consumer.CachedInfo()
	// Nobody waits for this, and if it fails the server deletes it after a minute.
	_ = js.Conn().Publish("$JS.API.CONSUMER.DELETE."+info.Stream+"."+info.Name, nil)
	return max(1, info.Delivered.Stream+1), nil
}

// storable returns the nearest time that JetStream can compare: it counts nanoseconds from 1970
// in 64 bits.
func storable(t time.Time) time.Time {
	first, last := time.Unix(0, 1), time.Unix(0, math.MaxInt64)
	switch {
	case t.Before(first):
		t = first
	case t.After(last):
		t = last
	}
	return t.UTC()
}
