package sessions

import (
	"iter"
	"maps"
	"slices"
	"sync"

	"usher/callout/session"
)

// Registry has the live sessions. It is safe for concurrent use.
type Registry struct {
	mu        sync.RWMutex
	sessions  map[session.ID]*session.Session
	observers []Observer
}

// Observer is told of each change of a Registry, in the order of the changes of one session,
// while no lock is held. It returns at once.
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
	return &Registry{sessions: map[session.ID]*session.Session{}, observers: observers}
}

// Add adds a session, or replaces the one of the same ID. An adopted session does not
// replace one whose credential is known.
func (r *Registry) Add(s *session.Session) {
	r.mu.Lock()
	if old := r.sessions[s.ID]; old != nil && s.Adopted && !old.Adopted {
		r.mu.Unlock()
		return
	}
	r.sessions[s.ID] = s
	r.mu.Unlock()
	for _, o := range r.observers {
		if o.Added != nil {
			o.Added(s)
		}
	}
}

// Remove removes a session. It returns false if there is none.
func (r *Registry) Remove(id session.ID, why Ending) bool {
	r.mu.Lock()
	s := r.sessions[id]
	delete(r.sessions, id)
	r.mu.Unlock()
	if s == nil {
		return false
	}
	for _, o := range r.observers {
		if o.Removed != nil {
			o.Removed(s, why)
		}
	}
	return true
}

// Find returns the session of a connection.
func (r *Registry) Find(id session.ID) (*session.Session, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.sessions[id]
	return s, ok
}

// Len returns the number of sessions.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.sessions)
}

// Matching yields the sessions that f selects, in no order. It yields each session that is
// there all the time; one that is added, replaced or removed meanwhile may be left out, or
// yielded twice.
func (r *Registry) Matching(f *Filter) iter.Seq[*session.Session] {
	return func(yield func(*session.Session) bool) {
		r.mu.RLock()
		all := slices.Collect(maps.Values(r.sessions))
		r.mu.RUnlock()
		for _, s := range all {
			if f.Match(s) && !yield(s) {
				return
			}
		}
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
