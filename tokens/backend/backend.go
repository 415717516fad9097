package backend

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/singleflight"

	"usher/identity"
	"usher/tokens"
)

// Answer is what a backend says of a credential.
type Answer struct {
	Identity identity.Identity // zero with a Refusal
	Refusal  *tokens.Reason    // a definite no; nil: the identity is verified
	Until    time.Time         // end of the answer; zero: none
}

// Key returns the key of a credential. domain says whose credential it is, such as the
// name of the verifier and what else the answer depends on. The parts are kept apart.
func Key(domain string, parts ...string) [sha256.Size]byte {
	text := make([]byte, 0, 256) // enough for most, so that nothing is allocated
	text = appendPart(append(text, "usher backend"...), domain)
	for _, p := range parts {
		text = appendPart(text, p)
	}
	return sha256.Sum256(text)
}

func appendPart(text []byte, part string) []byte {
	text = strconv.AppendInt(append(text, ' '), int64(len(part)), 10)
	return append(append(text, ':'), part...)
}

// Backend asks another system. It is safe for concurrent use.
type Backend struct {
	cfg     Config
	caches  caches
	flights singleflight.Group
	slots   chan struct{} // one element per call
	breaker *gobreaker.CircuitBreaker[Answer]

	waiting            atomic.Int64
	requests, failures atomic.Uint64
	stale              atomic.Uint64
	failed             atomic.Pointer[result] // nil: the last call succeeded, or there was none
}

// New returns a Backend.
func New(cfg Config) *Backend { //nolint:gocritic // a description, used once
	cfg.setDefaults()
	b := &Backend{cfg: cfg, caches: newCaches(cfg.CacheSize), slots: make(chan struct{}, cfg.Concurrency)}
	b.breaker = gobreaker.NewCircuitBreaker[Answer](gobreaker.Settings{
		Timeout:      cfg.Breaker.Cooldown,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(cfg.Breaker.Failures) }, //nolint:gosec // a small number of the configuration
		IsSuccessful: func(err error) bool { return err == nil || isUnusable(err) },
	})
	return b
}

// Ask returns the kept answer about the credential with this key, or calls ask, unless
// another Ask about it does already. Errors wrap tokens.ErrUnavailable, and also the
// error of ctx if that ended before there was an answer.
//
// The context of ask does not end with ctx, because others may wait for the same answer,
// but after Config.Timeout; ask returns then. Its error must not show the credential; it
// may be Retriable or Unusable.
func (b *Backend) Ask(ctx context.Context, key [sha256.Size]byte, ask func(context.Context) (Answer, error)) (Answer, error) {
	if a, ok := b.caches.get(key, b.cfg.Now()); ok {
		return a, nil
	}
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	result := b.flights.DoChan(string(key[:]), func() (any, error) {
		return b.fly(context.WithoutCancel(ctx), key, ask)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return Answer{}, tokens.Undecided(CodeOf(r.Err), b.cfg.Name+": "+b.errorText(r.Err))
		}
		return r.Val.(Answer), nil // fly returns nothing else
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("%w: %s has not answered yet: %w", tokens.ErrUnavailable, b.cfg.Name, ctx.Err())
	}
}

// fly gets an answer for everybody who asks about the key meanwhile.
func (b *Backend) fly(ctx context.Context, key [sha256.Size]byte, ask func(context.Context) (Answer, error)) (a Answer, err error) {
	defer recoverAsError(&err) // nobody else could: the flight has a goroutine of its own
	if a, ok := b.caches.peek(key, b.cfg.Now()); ok {
		return a, nil // kept by a flight that ended after Ask had looked
	}
	f := b.caches.begin()
	defer b.caches.end(f)
	asked := b.cfg.Now()
	a, err = b.call(ctx, ask)
	if err == nil {
		b.caches.keep(key, entry{a, b.freshUntil(&a, asked)}, f)
		return a, nil
	}
	if old, ok := b.caches.stale(key, b.cfg.Now(), b.cfg.Stale); ok {
		b.stale.Add(1)
		return old, nil
	}
	return Answer{}, err
}

func (b *Backend) freshUntil(a *Answer, asked time.Time) time.Time {
	fresh := asked.Add(b.cfg.MaxAge)
	if a.Refusal != nil {
		fresh = asked.Add(b.cfg.RefusalAge)
	}
	if !a.Until.IsZero() && a.Until.Before(fresh) {
		return a.Until
	}
	return fresh
}

// Cached reports whether Ask returns a kept answer for the key, and so does not wait.
func (b *Backend) Cached(key [sha256.Size]byte) bool {
	_, ok := b.caches.peek(key, b.cfg.Now())
	return ok
}

// Forget drops the kept answers and refusals whose identity matches; that of a refusal
// may be zero. A nil match drops all. Those that are on their way are not kept if they
// match. match is fast, and does not use the Backend.
func (b *Backend) Forget(match func(*identity.Identity) bool) {
	if match == nil {
		match = func(*identity.Identity) bool { return true }
	}
	b.caches.forget(match)
}

// Status returns the state of the backend and of its caches.
func (b *Backend) Status() tokens.Status {
	s := tokens.BackendStatus{
		Name: b.cfg.Name, Up: true,
		Requests: b.requests.Load(), Failures: b.failures.Load(), Stale: b.stale.Load(),
		Waiting: int(b.waiting.Load()), Open: b.breaker.State() == gobreaker.StateOpen,
	}
	if r := b.failed.Load(); r != nil {
		s.Up, s.Error = !r.down, r.text
	}
	return tokens.Status{Backends: []tokens.BackendStatus{s}, Caches: b.caches.status(b.cfg.Name)}
}
