package sessions

import (
	"hash/maphash"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"usher/callout/session"
)

// Registry has the live sessions. It is safe for concurrent use: Add, Remove and Find hold
// locks for microseconds, and reading all sessions holds them for 63 sessions at a time.
//
// It keeps a session in some 230 bytes, and makes a session.Session when somebody asks for
// it. So two sessions are compared by their IDs, never by their pointers.
type Registry struct {
	observers []Observer
	seed      maphash.Seed
	total     atomic.Int64
	ids       [shardCount]idShard
	shards    [shardCount]shard // by user
	grants    *grantTable
	codec     func() (*codec, error)
	closes    atomic.Pointer[func(session.ID) time.Time] // nil: nobody knows
}

const shardCount = 64

// Observer is told of each change of a Registry, in the order of the changes of one session,
// while no lock is held. It returns at once, and may call the Registry. While one goroutine
// tells the observers of a change, it also tells them of those that others make meanwhile;
// Add and Remove of these return earlier.
type Observer struct {
	Added   func(*session.Session)         // also when a session replaces one of the same ID
	Removed func(*session.Session, Ending) // the session that was removed
}

// Ending is why a session was removed.
type Ending string

// The endings of a session.
const (
	Disconnected Ending = "disconnected"      // a server has said so
	Missing      Ending = "missing"           // its server does not have it
	ServerGone   Ending = "server_gone"       // its server has stopped
	Refused      Ending = "refused_by_server" // the server did not accept the user JWT
)

// New returns an empty Registry. The observers are told of every change.
func New(observers ...Observer) *Registry {
	r := &Registry{observers: observers, seed: maphash.MakeSeed(), codec: sync.OnceValues(newCodec)}
	r.grants = newGrantTable(r.seed)
	return r
}

// SetCloses sets what knows session.Session.Closes. It may be called at any time.
func (r *Registry) SetCloses(at func(session.ID) time.Time) { r.closes.Store(&at) }

func (r *Registry) closesAt(id session.ID) time.Time {
	if at := r.closes.Load(); at != nil {
		return (*at)(id)
	}
	return time.Time{}
}

// idShard finds the sessions with some of the IDs. Its lock is taken before that of a shard.
type idShard struct {
	mu      sync.RWMutex
	servers map[string]map[uint64]place // by server and number of the client
	changes []change                    // that the observers have to be told of
	telling bool                        // somebody does
}

// place is where a session is kept: its slot, and its shard in the lower bits.
type place uint32

func placeOf(shard uint8, slot uint32) place { return place(slot*shardCount + uint32(shard)) }

func (r *Registry) at(p place) (*shard, uint32) {
	return &r.shards[p%shardCount], uint32(p) / shardCount
}

func (r *Registry) idShard(id session.ID) *idShard {
	return &r.ids[maphash.Comparable(r.seed, id)%shardCount]
}

// Add adds a session, or replaces the one of the same ID. An adopted session does not
// replace one whose credential is known. The Registry keeps neither s nor its memory.
func (r *Registry) Add(s *session.Session) {
	in := r.prepare(s)
	ids := r.idShard(s.ID)
	ids.mu.Lock()
	added := ids.add(r, in)
	ids.mu.Unlock()
	if added {
		r.tell(ids)
	}
}

// AddGranted adds a session that has just been granted, here or by another replica. Sessions of
// one connection may arrive in another order than they were granted in, so one that another
// one followed is not added. If nobody knows which of two was the last, the Contest has both.
func (r *Registry) AddGranted(s *session.Session) (added bool, c *Contest) {
	in := r.prepare(s)
	ids := r.idShard(s.ID)
	ids.mu.Lock()
	replaces, c := ids.order(r, s)
	added = replaces && ids.add(r, in)
	ids.mu.Unlock()
	if added {
		r.tell(ids)
	}
	return added, c
}

// add is called with the lock held.
func (ids *idShard) add(r *Registry, in *incoming) bool {
	id, shard := in.s.ID, &r.shards[in.shard]
	if old, replaces := ids.servers[id.Server][id.Client]; !replaces {
		r.total.Add(1)
		ids.set(id, placeOf(in.shard, shard.insert(r, in)))
	} else {
		was, slot := r.at(old)
		switch {
		case in.s.Adopted && !was.adopted(slot):
			return false
		case was == shard:
			shard.replace(r, slot, in)
		default:
			ids.set(id, placeOf(in.shard, shard.insert(r, in)))
			was.remove(r, slot)
		}
	}
	ids.change(r, change{added: in.s})
	return true
}

func (ids *idShard) set(id session.ID, at place) {
	if ids.servers == nil {
		ids.servers = map[string]map[uint64]place{}
	}
	clients := ids.servers[id.Server]
	if clients == nil {
		clients = map[uint64]place{}
		ids.servers[strings.Clone(id.Server)] = clients
	}
	clients[id.Client] = at
}

// Remove removes a session. It returns false if there is none.
func (r *Registry) Remove(id session.ID, why Ending) bool {
	ids := r.idShard(id)
	if !ids.remove(r, id, why) {
		return false
	}
	r.tell(ids)
	return true
}

func (ids *idShard) remove(r *Registry, id session.ID, why Ending) bool {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	clients := ids.servers[id.Server]
	at, ok := clients[id.Client]
	if !ok {
		return false
	}
	if delete(clients, id.Client); len(clients) == 0 {
		delete(ids.servers, id.Server)
	}
	r.total.Add(-1)
	shard, slot := r.at(at)
	rec := shard.remove(r, slot)
	if len(r.observers) > 0 {
		ids.change(r, change{removed: r.session(&rec), why: why})
	}
	return true
}

// Find returns the session of a connection.
func (r *Registry) Find(id session.ID) (*session.Session, bool) {
	ids := r.idShard(id)
	ids.mu.RLock()
	at, ok := ids.servers[id.Server][id.Client]
	if !ok {
		ids.mu.RUnlock()
		return nil, false
	}
	shard, slot := r.at(at)
	rec := shard.get(slot)
	ids.mu.RUnlock()
	return r.session(&rec), true
}

// Len returns the number of sessions.
func (r *Registry) Len() int { return int(r.total.Load()) }

// Matching yields the sessions that f selects, in no order. It yields each session that is
// there all the time; one that is added, replaced or removed meanwhile may be left out, or
// yielded twice.
func (r *Registry) Matching(f *Filter) iter.Seq[*session.Session] {
	return func(yield func(*session.Session) bool) {
		r.matching(f, func(rec *record) bool { return yield(r.session(rec)) })
	}
}

// All yields all sessions, as Matching does.
func (r *Registry) All(yield func(*session.Session) bool) { r.Matching(&Filter{})(yield) }

// OfUser yields the sessions of a user, as Matching does.
func (r *Registry) OfUser(name string, yield func(*session.Session) bool) {
	if name != "" {
		r.Matching(&Filter{User: name})(yield)
	}
}
