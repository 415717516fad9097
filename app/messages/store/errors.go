package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// Errors that mean that JetStream cannot be asked now.
var (
	errNoAnswer     = errors.New("JetStream did not answer in time")
	errNoLeader     = errors.New("nobody serves the stream now")
	errDisconnected = errors.New("not connected to NATS")
	errUnreadable   = errors.New("unreadable answer of JetStream")
)

// Codes of errors of JetStream that nats.go has no names for (errors.json of nats-server).
const (
	codeAccountLimit  jetstream.ErrorCode = 10002 // JSAccountResourcesExceededErr
	codeMemoryLimit   jetstream.ErrorCode = 10028 // JSMemoryResourcesExceededErr
	codeStorageLimit  jetstream.ErrorCode = 10047 // JSStorageResourcesExceededErr
	codeMessageTooBig jetstream.ErrorCode = 10054 // JSStreamMessageExceedsMaximumErr
	codeHeaderTooBig  jetstream.ErrorCode = 10097 // JSStreamHeaderExceedsMaximumErr
	// codeStoreFailed is JSStreamStoreFailedF. nats-server answers it where a message would
	// exceed max_msgs, max_bytes or max_msgs_per_subject; errors of the disk are not answered.
	codeStoreFailed jetstream.ErrorCode = 10077
)

// publishError classifies the error in the answer to a message.
func publishError(e *jetstream.APIError) error {
	switch e.ErrorCode { //nolint:exhaustive // the others have no kind of their own
	case codeStoreFailed, codeAccountLimit, codeMemoryLimit, codeStorageLimit:
		return fmt.Errorf("%w: %w", messages.ErrFull, e)
	case codeMessageTooBig, codeHeaderTooBig:
		return fmt.Errorf("%w: %w", messages.ErrTooLarge, e)
	case jetstream.JSErrCodeStreamNotFound, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
		return fmt.Errorf("%w: %w", messages.ErrNoStream, e)
	default:
		return e
	}
}

// assetError classifies the error of a request about a stream or a consumer.
func assetError(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%w: %w", messages.ErrNoConsumer, err)
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: %w", messages.ErrNoStream, err)
	default:
		return err
	}
}

// isNoResponders reports whether the server says that nobody listens to the subject.
func isNoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get(statusHeader) == statusNoResponders
}

// whyNoTopic says why nobody stores a topic: it asks for the stream.
func (s *Store) whyNoTopic(ctx context.Context, ref messages.TopicRef) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	js, err := s.cfg.Accounts.JetStream(ctx, ref.Project.Account)
	if err != nil {
		return err
	}
	switch name, err := js.StreamNameBySubject(ctx, ref.Topic.Subject); {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return messages.ErrNoStream
	case err != nil:
		return err
	case name != ref.Project.Name:
		return messages.ErrNoStream
	default:
		return errNoLeader
	}
}

// whyNoConsumer says why nobody answers for a subscription: it asks for the consumer.
func (s *Store) whyNoConsumer(ctx context.Context, ref messages.SubscriptionRef) error {
	switch _, err := s.consumerInfo(ctx, ref); {
	case errors.Is(err, messages.ErrNoStream):
		return fmt.Errorf("%w: %w", messages.ErrNoConsumer, err)
	case err != nil:
		return err
	default:
		return errNoLeader
	}
}

// consumerInfo asks for the consumer of a subscription.
func (s *Store) consumerInfo(ctx context.Context, ref messages.SubscriptionRef) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	js, err := s.cfg.Accounts.JetStream(ctx, ref.Project.Account)
	if err != nil {
		return nil, err
	}
	consumer, err := js.Consumer(ctx, ref.Project.Name, ref.Subscription.Name)
	if err != nil {
		return nil, assetError(err)
	}
	return consumer.CachedInfo(), nil
}
