package sessions

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"unique"

	"usher/callout/session"
	"usher/identity"
)

// shard has the sessions of some of the users. A session keeps its slot for as long as it
// lives, so a reader can release the lock between two pages.
type shard struct {
	mu         sync.RWMutex
	pages      []*page // nil: empty
	room       []uint32
	principals map[uint64]*principal // by hash; those of one hash are a list
	sessions   map[uint64]uint32     // numbers, by the hash of a user or of a key
}

// Hashes have 64 bits and a random seed. So that two of a million users and keys have the
// same, and share a number, is less likely than one in ten million.
func (r *Registry) userHash(user string) uint64 { return maphash.String(r.seed, user) }

func (r *Registry) keyHash(user, key string) uint64 {
	return maphash.Comparable(r.seed, struct{ user, key string }{user, key})
}

// page has so many records that it fits into 8 KiB, a size that Go allocates without waste.
type page struct {
	used    uint64 // a bit for each record
	records [pageSize]record
}

const (
	pageSize = 63
	pageFull = 1<<pageSize - 1
)

// incoming is a session that is about to be added.
type incoming struct {
	s      *session.Session
	detail *detail
	kind   unique.Handle[kind]
	head   headKey
	hash   uint64 // of the principal
	shard  uint8
	record record // without the principal
}

// prepare does what needs no lock.
func (r *Registry) prepare(s *session.Session) *incoming {
	in := &incoming{s: s, detail: r.detailOf(s), kind: kindOf(s), head: headKeyOf(s), record: newRecord(s)}
	in.shard, in.record.tag = r.userShard(s.Identity.Name)
	in.hash = maphash.Comparable(r.seed, principalKey{
		s.Identity.Name, s.Identity.KeyID, s.Digest, in.kind, s.Grant.Account, len(s.Grant.Rules), s.Identity.ID, s.Identity.Selection,
	})
	return in
}

// userShard returns the shard of a user, and a tag that few other users of the shard have.
func (r *Registry) userShard(name string) (n uint8, tag uint32) {
	hash := r.userHash(name)
	return uint8(hash % shardCount), uint32(hash >> 32)
}

func (sh *shard) record(slot uint32) *record { return &sh.pages[slot/pageSize].records[slot%pageSize] }

// get returns a copy of a record.
func (sh *shard) get(slot uint32) record {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return *sh.record(slot)
}

func (sh *shard) adopted(slot uint32) bool {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.record(slot).who.kind.Value().adopted
}

func (sh *shard) insert(r *Registry, in *incoming) uint32 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slot := sh.take()
	in.record.who = sh.enter(r, in)
	*sh.record(slot) = in.record
	return slot
}

func (sh *shard) replace(r *Registry, slot uint32, in *incoming) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := sh.record(slot)
	in.record.who = sh.enter(r, in)
	sh.leave(r, old.who)
	*old = in.record
}

// remove returns the record that it has removed.
func (sh *shard) remove(r *Registry, slot uint32) record {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := *sh.record(slot)
	sh.leave(r, old.who)
	n := slot / pageSize
	p := sh.pages[n]
	if p.used == pageFull {
		sh.room = append(sh.room, n)
	}
	p.used &^= 1 << (slot % pageSize)
	if p.records[slot%pageSize] = (record{}); p.used == 0 {
		sh.pages[n] = nil
	}
	return old
}

// take reserves a slot. The pages with a free one, and the nil ones, are in room.
func (sh *shard) take() uint32 {
	if len(sh.room) == 0 {
		sh.room = append(sh.room, uint32(len(sh.pages))) //nolint:gosec // far fewer pages
		sh.pages = append(sh.pages, nil)
	}
	n := sh.room[len(sh.room)-1]
	if sh.pages[n] == nil {
		sh.pages[n] = new(page)
	}
	p := sh.pages[n]
	free := bits.TrailingZeros64(^p.used)
	if p.used |= 1 << free; p.used == pageFull {
		sh.room = sh.room[:len(sh.room)-1]
	}
	return n*pageSize + uint32(free) //nolint:gosec // below 63
}

// scan yields copies of all records, and holds the lock while it copies a page.
func (sh *shard) scan(yield func(*record) bool) bool {
	var copied page
	for n := 0; sh.copyPage(n, &copied); n++ {
		for used := copied.used; used != 0; used &= used - 1 {
			if !yield(&copied.records[bits.TrailingZeros64(used)]) {
				return false
			}
		}
	}
	return true
}

func (sh *shard) copyPage(n int, to *page) bool {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if n >= len(sh.pages) {
		return false
	}
	if to.used = 0; sh.pages[n] != nil {
		*to = *sh.pages[n]
	}
	return true
}

// enter counts a session of a principal, which it adds if it is new.
func (sh *shard) enter(r *Registry, in *incoming) *principal {
	p := sh.principals[in.hash]
	for p != nil && !p.is(in) {
		p = p.next
	}
	if p == nil {
		p = newPrincipal(in, r.grants.take(in))
		if sh.principals == nil {
			sh.principals, sh.sessions = map[uint64]*principal{}, map[uint64]uint32{}
		}
		p.next = sh.principals[in.hash]
		sh.principals[in.hash] = p
	}
	p.sessions++
	sh.sessions[r.userHash(p.name())]++
	sh.sessions[r.keyHash(p.name(), p.keyID())]++
	p.grant.head.count(1)
	return p
}

// leave is the inverse of enter.
func (sh *shard) leave(r *Registry, p *principal) {
	decrement(sh.sessions, r.userHash(p.name()))
	decrement(sh.sessions, r.keyHash(p.name(), p.keyID()))
	p.grant.head.count(-1)
	if p.sessions--; p.sessions > 0 {
		return
	}
	if first := sh.principals[p.hash]; first != p {
		for first.next != p {
			first = first.next
		}
		first.next = p.next
	} else if p.next != nil {
		sh.principals[p.hash] = p.next
	} else {
		delete(sh.principals, p.hash)
	}
	r.grants.release(p.grant)
}

func decrement[K comparable](counts map[K]uint32, key K) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// principalKey is what the hash of a principal is made of. Principals of equal keys may
// still differ.
type principalKey struct {
	name, keyID string
	digest      [32]byte
	kind        unique.Handle[kind]
	account     string
	rules       int
	id          string
	selection   identity.Selection
}
