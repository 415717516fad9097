package keyset

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"usher/tokens"
)

// backdated is how much earlier than they are signed authorities say that they issue
// tokens. Entra ID says 5 minutes.
const backdated = 10 * time.Minute

// Results of Verify, besides those that wrap tokens.ErrUnavailable.
var (
	// ErrUnknown: the authority has no such key.
	ErrUnknown = errors.New("the authority has no such key")
	// ErrSignature: the authority has the key, and it did not make the signature.
	ErrSignature = errors.New("the signature is not of the authority's key")
)

// Config describes the keys of an authority.
type Config struct {
	Name   string // of the authority, in errors and in Status
	Source Source

	Refresh  time.Duration // from one fetch to the next, if it was good
	Cooldown time.Duration // at least from one fetch to the next
	Timeout  time.Duration // of a fetch
	MaxAge   time.Duration // how long a set is used that cannot be fetched again; zero: forever
	Leeway   time.Duration // difference between the clocks of the authority and usher

	Cache *Cache // nil: none

	Now func() time.Time
}

// Keys are the keys of one authority. They are safe for concurrent use.
type Keys struct {
	cfg    Config
	state  atomic.Pointer[state]
	wanted chan struct{} // a token may be signed with a key newer than the set

	mu       sync.Mutex
	inFlight *fetch
	started  time.Time // of the last fetch
	err      error     // of the last fetch
	unsaved  error     // of the cache

	requests, failures atomic.Uint64
	waiting            atomic.Int64
}

// state is a set, and since when it is known.
type state struct {
	set     *Set
	fetched time.Time // when the fetch began that brought it, for MaxAge
	asOf    time.Time // a key that the authority had then is in it
}

// New returns keys without any, or with those of the cache.
func New(cfg Config) *Keys { //nolint:gocritic // used once per authority
	k := &Keys{cfg: cfg, wanted: make(chan struct{}, 1)}
	if s := cfg.Cache.load(cfg.Now()); s != nil {
		k.state.Store(s)
	}
	return k
}

// usable returns the set, or nil if there is none or it is too old.
func (k *Keys) usable() *state {
	s := k.state.Load()
	if s == nil || k.cfg.MaxAge > 0 && k.cfg.Now().Sub(s.fetched) > k.cfg.MaxAge {
		return nil
	}
	return s
}

// Verify returns nil if check accepts a key of the token, ErrUnknown if the authority has
// no such key, or ErrSignature. It waits for a fetch if that is necessary and the
// cooldown allows it. Otherwise it wraps tokens.ErrUnavailable while a token that was
// issued at that time may be signed with a key that usher does not have yet.
func (k *Keys) Verify(ctx context.Context, id ID, issued time.Time, check func(crypto.PublicKey) bool) error {
	s := k.usable()
	if s != nil {
		if done, err := try(s.set, id, check); done {
			return err
		}
	}
	f, own := k.demand(ctx)
	if f == nil {
		return k.undecided(s, id, issued, check)
	}
	k.waiting.Add(1)
	defer k.waiting.Add(-1)
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: keys of %s: %w", tokens.ErrUnavailable, k.cfg.Name, ctx.Err())
	case <-f.done:
	}
	s = k.usable()
	if f.err != nil || s == nil {
		return k.undecided(s, id, issued, check)
	}
	if done, err := try(s.set, id, check); done {
		return err
	}
	if own && f.aged == 0 { // the token was there before the set was asked for
		return missing(s.set, id)
	}
	return k.undecided(s, id, issued, check)
}

// try reports false if a newer set may have a key that accepts the token.
func try(s *Set, id ID, check func(crypto.PublicKey) bool) (done bool, err error) {
	keys := s.find(id)
	for _, key := range keys {
		if check(key) {
			return true, nil
		}
	}
	return len(keys) > 0 && id.KeyID != "", ErrSignature
}

// missing is the error for a key that is not in a set that would have it.
func missing(s *Set, id ID) error {
	if len(s.find(id)) > 0 { // the token names no key
		return ErrSignature
	}
	return ErrUnknown
}

// undecided is the result for a token whose key is not in s, without a newer set: a
// denial only if the key would be in it.
func (k *Keys) undecided(s *state, id ID, issued time.Time, check func(crypto.PublicKey) bool) error {
	if newest := k.usable(); newest != nil && newest != s { // it came in the meantime
		if done, err := try(newest.set, id, check); done {
			return err
		}
		s = newest
	}
	if s != nil && issued.Add(k.cfg.Leeway+backdated).Before(s.asOf) {
		return missing(s.set, id)
	}
	select {
	case k.wanted <- struct{}{}:
	default: // it is already
	}
	if err := k.lastError(); err != nil {
		return fmt.Errorf("%w: keys of %s: %w", tokens.ErrUnavailable, k.cfg.Name, err)
	}
	return fmt.Errorf("%w: the token may be signed with a key of %s that usher does not have yet", tokens.ErrUnavailable, k.cfg.Name)
}

// MayWait reports whether Verify may wait.
func (k *Keys) MayWait(id ID) bool {
	s := k.usable()
	if s != nil && id.KeyID != "" && len(s.set.find(id)) > 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.inFlight != nil || k.cooledDown()
}

func (k *Keys) lastError() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Status returns the state of the authority.
func (k *Keys) Status() (tokens.BackendStatus, tokens.CacheStatus) {
	b := tokens.BackendStatus{
		Name: k.cfg.Name, Up: true,
		Requests: k.requests.Load(), Failures: k.failures.Load(), Waiting: int(k.waiting.Load()),
	}
	k.mu.Lock()
	err, unsaved := k.err, k.unsaved
	k.mu.Unlock()
	switch {
	case err != nil:
		b.Up, b.Error = false, err.Error()
	case unsaved != nil:
		b.Error = "the keys cannot be kept on disk: " + unsaved.Error()
	}
	c := tokens.CacheStatus{Name: k.cfg.Name, Max: maxKeys}
	if s := k.usable(); s != nil {
		c.Entries = s.set.Size()
	}
	return b, c
}

// Signed reports whether check accepts a key of the token that usher has now. It never
// waits.
func (k *Keys) Signed(id ID, check func(crypto.PublicKey) bool) bool {
	s := k.usable()
	if s == nil {
		return false
	}
	_, err := try(s.set, id, check)
	return err == nil
}
