package callout

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

// Bounds of what is kept about keys, whoever asks.
const (
	maxUnknownKeys = 64   // asked for and not held
	maxKeyServers  = 1024 // that asked for one key
	maxServerName  = 64   // bytes
)

// usage counts which keys servers ask for. Counting takes no lock and allocates
// nothing, unless a server asks for a key for the first time. It outlives the
// keyring: a key that is taken out of it keeps its count, and so shows who asks
// for it still. Safe for concurrent use.
type usage struct {
	mu   sync.Mutex                         // for new keys and new servers
	keys atomic.Pointer[map[string]*keyUse] // by public key; copied to change it
	full atomic.Int64                       // the minute in which there was no room for another unknown key
}

func newUsage() *usage {
	u := &usage{}
	u.keys.Store(&map[string]*keyUse{})
	return u
}

// asked counts a verified request by the keys that its server expects. In
// operator mode a server names the callout account, which is none of the keys.
func (u *usage) asked(r *request, keys *issuer.Keyring, now time.Time) {
	c := r.claims
	held := false
	if keys.Operator() {
		_, held = keys.For(c.Subject)
	}
	if !held {
		u.count(c.Subject, keys, c.Server.ID, c.Server.Name, now)
	}
	if r.xkey != nil {
		u.count(r.xkey.PublicKey(), keys, c.Server.ID, c.Server.Name, now)
	}
}

// signed counts an answer by the signing keys of operator mode that signed it; user
// is the one that signed the user JWT, empty if there is none in it.
func (u *usage) signed(r *request, keys *issuer.Keyring, response, user string, now time.Time) {
	if !keys.Operator() {
		return
	}
	c := r.claims
	u.count(response, keys, c.Server.ID, c.Server.Name, now)
	if user != "" && user != response {
		u.count(user, keys, c.Server.ID, c.Server.Name, now)
	}
}

func (u *usage) count(public string, keys *issuer.Keyring, server, name string, now time.Time) {
	k := (*u.keys.Load())[public]
	if k == nil {
		if k = u.add(public, keys, now); k == nil {
			return
		}
	}
	k.count(now)
	if s := (*k.servers.Load())[server]; s != nil {
		s.see(now)
		return
	}
	k.add(server, name, now)
}

// add makes room for a key; nil: there is none. Keys that are not in the keyring
// go when nobody has asked for them for an hour and others need their places.
func (u *usage) add(public string, keys *issuer.Keyring, now time.Time) *keyUse {
	held := holds(keys, public)
	if !held && (u.full.Load() == minute(now) || !nkeys.IsValidPublicAccountKey(public) && !nkeys.IsValidPublicCurveKey(public)) {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	old := *u.keys.Load()
	if k := old[public]; k != nil {
		return k
	}
	next := maps.Clone(old)
	if !held {
		unknown := 0
		for other, k := range old {
			if holds(keys, other) {
				continue
			}
			if unknown++; k.lastHour(now) == 0 {
				delete(next, other)
			}
		}
		if unknown < maxUnknownKeys {
			next = maps.Clone(old) // they do not have to go yet
		} else if len(next) == len(old) {
			u.full.Store(minute(now))
			return nil
		}
	}
	k := &keyUse{}
	k.servers.Store(&map[string]*serverUse{})
	next[strings.Clone(public)] = k // not a part of the request
	u.keys.Store(&next)
	return k
}

// holds reports whether a key is in a keyring.
func holds(keys *issuer.Keyring, public string) bool {
	return slices.ContainsFunc(keys.Keys(), func(k issuer.Key) bool { return k.PublicKey == public })
}

const (
	minutes     = 60
	minuteShift = 32 // a bucket is the minute, and below it the count
)

func minute(now time.Time) int64 { return now.Unix() / 60 }

// keyUse is how much one key is used: the last hour in minutes, and by whom.
type keyUse struct {
	buckets [minutes]atomic.Uint64
	last    atomic.Int64 // Unix seconds

	mu      sync.Mutex // for new servers
	servers atomic.Pointer[map[string]*serverUse]
}

// serverUse is when a server used a key last.
type serverUse struct {
	name string
	last atomic.Int64 // Unix seconds
}

func (k *keyUse) count(now time.Time) {
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

// lastHour returns the count of the minute that runs and the 59 before it.
func (k *keyUse) lastHour(now time.Time) uint64 {
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

func (s *serverUse) see(now time.Time) {
	if at := now.Unix(); s.last.Load() != at {
		s.last.Store(at)
	}
}

// add notes another server. A server that is restarted has another id: past the
// bound those go that have not asked for the longest time, a quarter at once.
func (k *keyUse) add(id, name string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := *k.servers.Load()
	if s := old[id]; s != nil {
		s.see(now)
		return
	}
	next := maps.Clone(old)
	if len(next) >= maxKeyServers {
		byAge := slices.SortedFunc(maps.Keys(next), func(a, b string) int { return cmp.Compare(next[a].last.Load(), next[b].last.Load()) })
		for _, oldest := range byAge[:maxKeyServers/4] {
			delete(next, oldest)
		}
	}
	if len(name) > maxServerName {
		name = strings.ToValidUTF8(name[:maxServerName], "") + "…"
	}
	s := &serverUse{name: strings.Clone(name)}
	s.see(now)
	next[strings.Clone(id)] = s
	k.servers.Store(&next)
}
