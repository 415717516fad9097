package ratelimit

import (
	"hash/maphash"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Last knows the last secret of each source, so that the same attempt made again counts as a
// failure once. It keeps hashes that are valid in this process only. Safe for concurrent use.
type Last struct {
	seed  maphash.Seed
	cache *lru.Cache[uint64, uint64]
}

// NewLast returns a Last without secrets.
func NewLast() *Last {
	cache, _ := lru.New[uint64, uint64](maxSources) // fails for sizes below 1
	return &Last{maphash.MakeSeed(), cache}
}

// Note notes the secret of a source, and reports whether it had another one, or none.
func (l *Last) Note(source interface{ String() string }, secret string) bool {
	key, hash := maphash.String(l.seed, source.String()), maphash.String(l.seed, secret)
	last, ok := l.cache.Get(key)
	l.cache.Add(key, hash)
	return !ok || last != hash
}
