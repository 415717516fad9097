package backend

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"usher/identity"
	"usher/tokens"
)

// entry is a kept answer.
type entry struct {
	Answer

	fresh time.Time // it is used without asking before
}

// identity returns whom the answer is about.
func (e *entry) identity() *identity.Identity {
	if e.Refusal != nil {
		return &e.Refusal.Identity
	}
	return &e.Identity
}

// cache is a bounded cache that counts.
type cache struct {
	*lru.Cache[[sha256.Size]byte, entry]

	max          int
	hits, misses atomic.Uint64
}

func newCache(size int) *cache {
	c, _ := lru.New[[sha256.Size]byte, entry](size) // fails for a size that is not positive
	return &cache{Cache: c, max: size}
}

// flight is a call that is on its way.
type flight struct {
	forgotten []func(*identity.Identity) bool // by Forget since it began
}

// caches are those of a backend. Refusals have a cache of their own, so that a flood of
// bad credentials does not displace the good ones. A key is in at most one of them.
type caches struct {
	answers, refusals *cache

	mu      sync.Mutex // of changes, so that Forget misses nothing
	flights map[*flight]struct{}
}

func newCaches(size int) caches {
	return caches{answers: newCache(size), refusals: newCache(size), flights: map[*flight]struct{}{}}
}

// get returns a fresh answer and counts.
func (c *caches) get(key [sha256.Size]byte, now time.Time) (Answer, bool) {
	for _, one := range []*cache{c.answers, c.refusals} {
		if e, ok := one.Get(key); ok && now.Before(e.fresh) {
			one.hits.Add(1)
			return e.Answer, true
		}
		one.misses.Add(1)
	}
	return Answer{}, false
}

// peek is get, but counts nothing.
func (c *caches) peek(key [sha256.Size]byte, now time.Time) (Answer, bool) {
	for _, one := range []*cache{c.answers, c.refusals} {
		if e, ok := one.Peek(key); ok && now.Before(e.fresh) {
			return e.Answer, true
		}
	}
	return Answer{}, false
}

// stale returns an answer that has not been fresh for at most age.
func (c *caches) stale(key [sha256.Size]byte, now time.Time, age time.Duration) (Answer, bool) {
	e, ok := c.answers.Peek(key)
	if !ok || !now.Before(e.fresh.Add(age)) || !e.Until.IsZero() && !now.Before(e.Until) {
		return Answer{}, false
	}
	return e.Answer, true
}

func (c *caches) begin() *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &flight{}
	c.flights[f] = struct{}{}
	return f
}

func (c *caches) end(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, f)
}

// keep replaces what is kept for the key by what the flight f brought, even by nothing:
// a refusal ends an old answer.
func (c *caches) keep(key [sha256.Size]byte, e entry, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to, other := c.answers, c.refusals
	if e.Refusal != nil {
		to, other = other, to
	}
	other.Remove(key)
	for _, match := range f.forgotten {
		if match(e.identity()) {
			to.Remove(key)
			return
		}
	}
	to.Add(key, e)
}

func (c *caches) forget(match func(*identity.Identity) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.flights {
		f.forgotten = append(f.forgotten, match)
	}
	for _, one := range []*cache{c.answers, c.refusals} {
		for _, key := range one.Keys() {
			if e, ok := one.Peek(key); ok && match(e.identity()) {
				one.Remove(key)
			}
		}
	}
}

func (c *caches) status(name string) []tokens.CacheStatus {
	of := func(name string, one *cache) tokens.CacheStatus {
		return tokens.CacheStatus{Name: name, Entries: one.Len(), Max: one.max, Hits: one.hits.Load(), Misses: one.misses.Load()}
	}
	return []tokens.CacheStatus{of(name, c.answers), of(name+" refusals", c.refusals)}
}
