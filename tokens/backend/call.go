package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"
)

// Reasons not to call.
var (
	errOpen = errors.New("it failed repeatedly, and is not asked for a while")
	errBusy = errors.New("too many calls at a time")
)

// call calls ask in its turn, unless the circuit breaker is open.
func (b *Backend) call(ctx context.Context, ask func(context.Context) (Answer, error)) (Answer, error) {
	if b.breaker.State() == gobreaker.StateOpen { // before the wait
		return Answer{}, errOpen
	}
	if !b.acquire() {
		return Answer{}, errBusy
	}
	defer func() { <-b.slots }()
	a, err := b.breaker.Execute(func() (Answer, error) {
		a, err := b.try(ctx, ask)
		b.count(err)
		return a, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return Answer{}, errOpen
	}
	return a, err
}

// acquire waits for a slot. It reports whether it got one.
func (b *Backend) acquire() bool {
	select {
	case b.slots <- struct{}{}:
		return true
	default:
	}
	timeout := time.NewTimer(b.cfg.Timeout)
	defer timeout.Stop()
	select {
	case b.slots <- struct{}{}:
		return true
	case <-timeout.C:
		return false
	}
}

// try calls ask until it succeeds, its error is not worth a retry, or time is up.
func (b *Backend) try(ctx context.Context, ask func(context.Context) (Answer, error)) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	interval := backoff.NewExponentialBackOff()
	interval.InitialInterval = 20 * time.Millisecond
	var last error
	a, err := backoff.Retry(ctx, func() (Answer, error) {
		var a Answer
		a, last = protect(ctx, ask)
		if last != nil && !isRetriable(last) {
			return a, backoff.Permanent(last)
		}
		return a, last
	}, backoff.WithBackOff(interval), backoff.WithMaxTries(uint(b.cfg.Retries)+1), backoff.WithMaxElapsedTime(b.cfg.Timeout))
	if err != nil {
		return Answer{}, last // err may be that of ctx, and says less
	}
	return a, nil
}

// result is that of the last call that failed.
type result struct {
	text string
	down bool // it says that the backend is down, and not only that this answer was Unusable
}

// count takes note of the result of a call.
func (b *Backend) count(err error) {
	b.requests.Add(1)
	if err == nil {
		b.failed.Store(nil)
		return
	}
	b.failures.Add(1)
	b.failed.Store(&result{text: b.errorText(err), down: !isUnusable(err)})
}

func protect(ctx context.Context, ask func(context.Context) (Answer, error)) (a Answer, err error) {
	defer recoverAsError(&err)
	return ask(ctx)
}

// recoverAsError turns a panic into an error. It does not show the value, which may
// quote a credential.
func recoverAsError(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("internal error: a panic with a value of type %T", v)
	}
}
