package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/app/messages/streams"
)

const (
	provisionWithin = 15 * time.Second // how long usher and JetStream may take to start
	provisionRetry  = 50 * time.Millisecond
)

// await waits until a condition returns nil, or an error that only the user can resolve.
func await(ctx context.Context, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, provisionWithin)
	defer cancel()
	for {
		err := condition()
		if err == nil || errors.Is(err, streams.ErrConflict) {
			return err
		}
		select {
		case <-time.After(provisionRetry):
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", provisionWithin, err)
		}
	}
}
