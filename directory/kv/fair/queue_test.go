package fair_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory/kv/fair"
)

// A waiter that gives up does not block the others.
func TestQueue(t *testing.T) {
	var q fair.Queue
	x, y := uuid.New(), uuid.New()
	callouttest.Must(t, q.Acquire(t.Context(), x))
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	for range 3 {
		go func() { left <- q.Acquire(ctx, x) }()
	}
	callouttest.Eventually(t, "three waiters", func() bool { return q.Len() == 3 })
	in := make(chan error)
	go func() { in <- q.Acquire(t.Context(), y) }()
	callouttest.Eventually(t, "four waiters", func() bool { return q.Len() == 4 })
	cancel()
	for range 3 {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	q.Release()
	callouttest.Must(t, <-in)
	callouttest.Must(t, q.Yield(t.Context(), y)) // no one waits
	q.Release()
	callouttest.Must(t, q.Acquire(t.Context(), x))
	if err := q.Acquire(ctx, y); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	q.Release()
	if n := q.Len(); n != 0 {
		t.Errorf("%d waiters", n)
	}
}
