package keyusage

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"

	"usher/issuer"
)

// Bounds on what a Counter keeps.
const (
	maxUnknownKeys = 64   // keys that are requested and not in the keyring
	maxKeyServers  = 1024 // servers of one key
	maxServerName  = 64   // bytes
)

// Server identifies the server that sent a request.
type Server struct{ ID, Name string }

// Counter counts the requests of each key. It outlives the keyring: a key that is
// removed keeps its count, which shows the servers that still request it. Safe for
// concurrent use.
type Counter struct {
	mu   sync.Mutex                             // held to add a key
	keys atomic.Pointer[map[string]*keyCounter] // by public key; copied on write
	full atomic.Int64                           // the minute in which no further unknown key could be added
}

// NewCounter returns a Counter without counts.
func NewCounter() *Counter {
	c := &Counter{}
	c.keys.Store(&map[string]*keyCounter{})
	return c
}

// Request counts a verified request: for the issuer that its server expects, and
// for the xkey that opened it, empty if it was not sealed. In operator mode the
// server names the callout account, which is not a key of the keyring and not
// counted.
func (c *Counter) Request(from Server, expected, xkey string, keys *issuer.Keyring, now time.Time) {
	isAccount := false
	if keys.Operator() {
		_, isAccount = keys.For(expected)
	}
	if !isAccount {
		c.count(expected, keys, from, now)
	}
	if xkey != "" {
		c.count(xkey, keys, from, now)
	}
}

// Answer counts an answer of operator mode, for the key that signed the response
// and for the key that signed the user JWT, empty if the answer has none.
func (c *Counter) Answer(to Server, response, user string, keys *issuer.Keyring, now time.Time) {
	if !keys.Operator() {
		return
	}
	c.count(response, keys, to, now)
	if user != "" && user != response {
		c.count(user, keys, to, now)
	}
}

func (c *Counter) count(public string, keys *issuer.Keyring, server Server, now time.Time) {
	k := (*c.keys.Load())[public]
	if k == nil {
		if k = c.add(public, keys, now); k == nil {
			return
		}
	}
	k.count(now)
	if s := (*k.servers.Load())[server.ID]; s != nil {
		s.touch(now)
		return
	}
	k.add(server, now)
}

// add returns the counter of a new key, or nil if there are too many unknown keys
// or public is not a key. A new key replaces the unknown keys that no server has
// requested for an hour.
func (c *Counter) add(public string, keys *issuer.Keyring, now time.Time) *keyCounter {
	known := contains(keys, public)
	if !known && (c.full.Load() == minute(now) || !isKey(public)) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.keys.Load()
	if k := old[public]; k != nil {
		return k
	}
	next := maps.Clone(old)
	if !known {
		unknown := 0
		for other, k := range old {
			if contains(keys, other) {
				continue
			}
			if unknown++; k.lastHour(now) == 0 {
				delete(next, other)
			}
		}
		if unknown < maxUnknownKeys {
			next = maps.Clone(old) // nothing has to be evicted yet
		} else if len(next) == len(old) {
			c.full.Store(minute(now))
			return nil
		}
	}
	k := &keyCounter{}
	k.servers.Store(&map[string]*lastSeen{})
	next[strings.Clone(public)] = k // public shares the memory of the request
	c.keys.Store(&next)
	return k
}

// isKey reports whether a text is a key that can be requested.
func isKey(text string) bool {
	return len(text) == issuer.PublicKeyLength && (nkeys.IsValidPublicAccountKey(text) || nkeys.IsValidPublicCurveKey(text))
}

// contains reports whether a key is in a keyring.
func contains(keys *issuer.Keyring, public string) bool {
	return slices.ContainsFunc(keys.Keys(), func(k issuer.Key) bool { return k.PublicKey == public })
}

const (
	minutes     = 60
	minuteShift = 32 // a bucket holds the minute above this bit, and the count below it
)

func minute(now time.Time) int64 { return now.Unix() / 60 }

// keyCounter counts the requests of one key: by minute for the last hour.
type keyCounter struct {
	buckets [minutes]atomic.Uint64
	last    atomic.Int64 // Unix seconds

	mu      sync.Mutex                           // held to add a server
	servers atomic.Pointer[map[string]*lastSeen] // by server ID; copied on write
}

// lastSeen is when a server requested a key last.
type lastSeen struct {
	name string
	last atomic.Int64 // Unix seconds
}

func (k *keyCounter) count(now time.Time) {
	m := uint64(minute(now)) //nolint:gosec // not before 1970
	b := &k.buckets[m%minutes]
	for {
		old := b.Load()
		if old>>minuteShift == m {
			b.Add(1)
			break
		}
		if b.CompareAndSwap(old, m<<minuteShift|1) {
			break
		}
	}
	if s := now.Unix(); k.last.Load() != s {
		k.last.Store(s)
	}
}

// lastHour returns the count of the current minute and the 59 before it.
func (k *keyCounter) lastHour(now time.Time) uint64 {
	m := uint64(minute(now)) //nolint:gosec // not before 1970
	var n uint64
	for i := range k.buckets {
		b := k.buckets[i].Load()
		if at := b >> minuteShift; at <= m && m-at < minutes {
			n += b & (1<<minuteShift - 1)
		}
	}
	return n
}

func (s *lastSeen) touch(now time.Time) {
	if at := now.Unix(); s.last.Load() != at {
		s.last.Store(at)
	}
}

// add adds a server. A restarted server has a new ID, so servers accumulate: at
// the bound, add evicts the quarter that was seen least recently.
func (k *keyCounter) add(server Server, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := *k.servers.Load()
	if s := old[server.ID]; s != nil {
		s.touch(now)
		return
	}
	next := maps.Clone(old)
	if len(next) >= maxKeyServers {
		byAge := slices.SortedFunc(maps.Keys(next), func(a, b string) int { return cmp.Compare(next[a].last.Load(), next[b].last.Load()) })
		for _, oldest := range byAge[:maxKeyServers/4] {
			delete(next, oldest)
		}
	}
	name := server.Name
	if len(name) > maxServerName {
		name = strings.ToValidUTF8(name[:maxServerName], "") + "…"
	}
	s := &lastSeen{name: strings.Clone(name)}
	s.touch(now)
	next[strings.Clone(server.ID)] = s
	k.servers.Store(&next)
}
