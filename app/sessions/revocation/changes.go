package revocation

import (
	"maps"
	"slices"
	"time"

	"usher/callout/session"
	"usher/directory/snapshot"
	"usher/identity"
)

// changes is what has happened since the last round.
type changes struct {
	any      bool
	all      bool
	users    map[string]bool
	arrivals map[session.ID]bool
	at       *snapshot.Snapshot // the directory after the last of the changes
}

// maxSingle is how many sessions are decided one by one. If there are more, all are decided
// in groups.
const maxSingle = 1024

// reloadedFor is how long sessions that arrive are decided again after a change without a
// revision, such as a reload of a file: a replica that has the new file later may have
// granted them.
const reloadedFor = 15 * time.Second

// Changed says that a change of the directory may concern some users. Call it for each
// change, after the change has come into force on this replica, also if it concerns no user
// of the directory. It returns at once.
func (e *Engine) Changed(users ...string) {
	e.mu.Lock()
	for _, name := range users {
		e.changes.users[name] = true
	}
	e.note()
	e.mu.Unlock()
	signal(e.wake)
}

// ChangedAll says that something has changed of which nobody knows whom it concerns: a reload
// of a file or of the rules of identities, a ban. It returns at once.
func (e *Engine) ChangedAll() {
	e.mu.Lock()
	e.changes.all, e.reloaded = true, e.cfg.Now()
	e.note()
	e.mu.Unlock()
	signal(e.wake)
}

// note notes a change. The caller holds mu.
func (e *Engine) note() {
	e.changes.any = true
	e.changes.at = e.cfg.Snapshot()
}

// added is told of each session that the registry adds, on the way of the request that it was
// granted for. One that was granted by an older state is decided again.
func (e *Engine) added(s *session.Session) {
	if a := s.Identity.Authority; a != identity.AuthorityDirectory && a != identity.AuthorityUsher {
		e.mapped.Store(true)
	}
	e.mu.Lock()
	if s.Grant.WholeAccount || s.Adopted && s.Grant.Connection.Types != nil {
		e.whole[s.Identity.Name] = true
	}
	old := s.Adopted || s.Revision < e.revision || e.late[s.Instance] || e.cfg.Now().Sub(e.reloaded) < reloadedFor
	if old {
		e.arrive(s.ID)
	}
	e.mu.Unlock()
	if old {
		signal(e.wake)
	}
}

// arrive notes a session to be decided. The caller holds mu.
func (e *Engine) arrive(id session.ID) {
	switch {
	case e.changes.all:
	case len(e.changes.arrivals) >= maxSingle:
		e.changes.all, e.changes.arrivals = true, nil
	default:
		if e.changes.arrivals == nil {
			e.changes.arrivals = map[session.ID]bool{}
		}
		e.changes.arrivals[id] = true
	}
}

// removed is told of each session that is gone.
func (e *Engine) removed(s *session.Session) {
	e.mu.Lock()
	delete(e.schedule, s.ID)
	delete(e.changes.arrivals, s.ID)
	delete(e.undecided, s.ID)
	p := e.pending[s.ID]
	delete(e.pending, s.ID)
	e.mu.Unlock()
	e.ends.set(s.ID, time.Time{})
	if p != nil && p.released && (p.busy || p.ended || p.failed > 0) {
		e.hasClosed(s, p) // its server reports the end before it answers
	}
}

// decideAgain notes when to decide a session again; zero: not before something changes.
// The caller holds mu.
func (e *Engine) decideAgain(id session.ID, at time.Time) {
	if at.IsZero() {
		delete(e.schedule, id)
		return
	}
	e.schedule[id] = at
}

// untilScheduled returns how long it is until a session is to be decided again.
func (e *Engine) untilScheduled() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.cfg.Now().Add(time.Hour)
	for _, at := range e.schedule {
		if at.Before(next) {
			next = at
		}
	}
	return max(next.Sub(e.cfg.Now()), 0)
}

// take returns what is to be decided now, and the directory by which to do it.
func (e *Engine) take() (changes, *snapshot.Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.cfg.Now()
	for id, at := range e.schedule {
		if !at.After(now) {
			delete(e.schedule, id)
			e.arrive(id)
		}
	}
	if e.changes.any {
		maps.Copy(e.changes.users, e.whole)
	}
	taken := e.changes
	e.deciding = true
	e.changes = changes{users: map[string]bool{}}
	snap := e.cfg.Snapshot()
	if snap != nil {
		e.revision = max(e.revision, snap.Latest())
	}
	return taken, snap
}

// some reports whether there is something to decide.
func (c *changes) some() bool { return c.any || c.all || len(c.arrivals) > 0 }

// names returns the users of c, sorted.
func (c *changes) names() []string { return slices.Sorted(maps.Keys(c.users)) }
