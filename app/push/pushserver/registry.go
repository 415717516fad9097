package pushserver

import (
	"context"
	"errors"

	apipush "usher/api/push"
	"usher/app/push/amssource"
)

// Errors of a Registry.
var (
	// ErrActive: the subscription is active already.
	ErrActive = errors.New("the subscription is active already")
	// ErrNotActive: the subscription is not active.
	ErrNotActive = errors.New("the subscription is not active")
	// ErrNotReady: the messaging service has not said yet which subscriptions it has.
	ErrNotReady = errors.New("the messaging service has not said yet what is to be pushed")
	// ErrToken: the messaging service refuses to say it.
	ErrToken = errors.New("the messaging service refuses the token of push.grpc.messages.token_file")
)

// Registry has the subscriptions that are active. It is safe for concurrent use.
type Registry interface {
	// Ready returns nil if the registry works.
	Ready() error
	// Activate adds a subscription; its error may be ErrActive.
	Activate(ctx context.Context, sub *amssource.Subscription) error
	// Deactivate removes a subscription; its error may be ErrNotActive.
	Deactivate(ctx context.Context, name amssource.Name) error
	// State says how the pushes of a subscription go; its error may be ErrNotActive.
	State(ctx context.Context, name amssource.Name) (apipush.State, error)
}
