package revocation

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"usher/tokens"
)

// retryAfter is how long a failed fetch is not tried again.
const retryAfter = 10 * time.Second

// fetch fetches an answer, which is good until the returned time.
type fetch[T any] func(ctx context.Context) (T, time.Time, error)

// cache holds answers of CAs. Of many that ask for the same one, one fetches it.
type cache[T any] struct {
	name    string
	max     int
	now     func() time.Time
	timeout time.Duration
	period  time.Duration // how old an answer gets before it is due for another fetch
	entries *lru.Cache[string, *entry[T]]
	flights singleflight.Group

	hits, misses atomic.Uint64
}

// entry is an answer, or the error of a fetch.
type entry[T any] struct {
	value T
	err   error
	due   time.Time // for another fetch, while it is still good
	until time.Time // it is good
	again fetch[T]
	used  atomic.Bool // since it was fetched
}

func newCache[T any](name string, size int, cfg *Config) *cache[T] {
	entries, _ := lru.New[string, *entry[T]](size) // fails for sizes below 1
	return &cache[T]{name: name, max: size, now: cfg.Now, timeout: cfg.Timeout, period: cfg.Refresh, entries: entries}
}

// get returns the answer of a key. Without wait it returns errWouldWait instead of
// fetching it.
func (c *cache[T]) get(ctx context.Context, key string, wait bool, f fetch[T]) (T, error) {
	if e, ok := c.entries.Get(key); ok && c.now().Before(e.until) {
		e.used.Store(true)
		c.hits.Add(1)
		return e.value, e.err
	}
	var zero T
	if !wait {
		return zero, errWouldWait
	}
	c.misses.Add(1)
	// The first that asks may leave before the others.
	done := c.flights.DoChan(key, func() (any, error) {
		e := c.fetch(context.WithoutCancel(ctx), f)
		e.used.Store(true)
		c.entries.Add(key, e)
		return e, nil
	})
	select {
	case <-ctx.Done():
		return zero, fmt.Errorf("no answer in time: %w", ctx.Err())
	case r := <-done:
		e := r.Val.(*entry[T]) //nolint:forcetypeassert // of the function above
		return e.value, e.err
	}
}

func (c *cache[T]) fetch(ctx context.Context, f fetch[T]) *entry[T] {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	value, until, err := f(ctx)
	now := c.now()
	e := &entry[T]{value: value, err: err, until: until, due: now.Add(c.period), again: f}
	if err != nil {
		e.until = now.Add(retryAfter)
	}
	if ctx.Err() != nil { // not the end of the request that waits for it
		e.err = fmt.Errorf("no answer within %s", c.timeout)
	}
	return e
}

// refresh fetches again what is due and was used. If that fails, the answer stays for as
// long as it is good.
func (c *cache[T]) refresh(ctx context.Context) {
	for _, key := range c.entries.Keys() {
		e, ok := c.entries.Peek(key)
		if !ok || ctx.Err() != nil || e.err != nil || c.now().Before(e.due) && c.now().Before(e.until.Add(-2*tickEvery)) || !e.used.Load() {
			continue
		}
		next := c.fetch(ctx, e.again)
		if next.err == nil {
			c.entries.Add(key, next)
		}
	}
}

func (c *cache[T]) status() tokens.CacheStatus {
	return tokens.CacheStatus{Name: c.name, Entries: c.entries.Len(), Max: c.max, Hits: c.hits.Load(), Misses: c.misses.Load()}
}
