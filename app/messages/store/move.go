package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// moveAttempts bounds how often a consumer is made again while others make it too.
const moveAttempts = 5

// errMoved says that others made the consumer each time that it was deleted.
var errMoved = errors.New("the consumer is being changed by others")

// Move lets a subscription go on at offset.
//
// A server that can reset a consumer does so in one step. It may not reset one to before the
// start that it was made with, and not at all one that was made for new messages only; that
// one, and on a server that has no reset each, is deleted and made again. usher may die in
// between. Then the client has no answer and asks again, after the consumer was made again from
// the directory; the messages are in the stream all the while.
func (s *Store) Move(ctx context.Context, sub messages.SubscriptionRef, offset uint64) error {
	// A client that goes away in the middle must not leave a subscription without consumer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*s.cfg.Timeout)
	defer cancel()
	js, err := s.cfg.Accounts.JetStream(ctx, sub.Project.Account)
	if err != nil {
		return err
	}
	_, stream, err := s.stream(ctx, sub.Project.Account, sub.Project.Name)
	if err != nil {
		return err
	}
	info, err := s.consumerInfo(ctx, sub)
	if err != nil {
		return err
	}
	if o := offsetsOf(&stream.State, info); offset < o.Min || offset > o.Max {
		return messages.ErrOffset
	}
	if mayReset(&info.Config, offset) {
		_, err := js.ResetConsumerToSequence(ctx, sub.Project.Name, sub.Subscription.Name, offset)
		if err == nil {
			return nil
		}
		if !errors.Is(err, jetstream.ErrConsumerInvalidReset) && !errors.Is(err, nats.ErrNoResponders) {
			return fmt.Errorf("move the consumer: %w", assetError(err))
		}
	}
	return remake(ctx, js, sub.Project.Name, info.Config, offset)
}

// mayReset reports whether servers reset a consumer with this configuration to offset.
func mayReset(cfg *jetstream.ConsumerConfig, offset uint64) bool {
	switch cfg.DeliverPolicy { //nolint:exhaustive // the others are not reset
	case jetstream.DeliverAllPolicy:
		return true
	case jetstream.DeliverByStartSequencePolicy:
		return offset >= cfg.OptStartSeq
	default:
		return false
	}
}

// remake deletes a consumer and makes it again at offset.
func remake(ctx context.Context, js jetstream.JetStream, stream string, cfg jetstream.ConsumerConfig, offset uint64) error {
	cfg.Name = cmp.Or(cfg.Name, cfg.Durable)
	cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, offset, nil
	for range moveAttempts {
		err := js.DeleteConsumer(ctx, stream, cfg.Name)
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("move the consumer: %w", assetError(err))
		}
		_, err = js.CreateConsumer(ctx, stream, cfg)
		if err == nil {
			return nil
		}
		if !errors.Is(err, jetstream.ErrConsumerExists) {
			return fmt.Errorf("move the consumer: %w", assetError(err))
		}
	}
	return errMoved
}
