package sessions

import "usher/callout/session"

// change is one that the observers are told of.
type change struct {
	added   *session.Session // or else
	removed *session.Session
	why     Ending
}

// change is called with the lock held.
func (ids *idShard) change(r *Registry, c change) {
	if len(r.observers) > 0 {
		ids.changes = append(ids.changes, c)
	}
}

// tell tells the observers of all changes that are waiting, unless somebody else does.
func (r *Registry) tell(ids *idShard) {
	for {
		ids.mu.Lock()
		changes := ids.changes
		if ids.telling || len(changes) == 0 {
			ids.mu.Unlock()
			return
		}
		ids.changes, ids.telling = nil, true
		ids.mu.Unlock()
		for i := range changes {
			r.tellOne(&changes[i])
		}
		ids.mu.Lock()
		ids.telling = false
		ids.mu.Unlock()
	}
}

func (r *Registry) tellOne(c *change) {
	for i := range r.observers {
		switch o := &r.observers[i]; {
		case c.added != nil && o.Added != nil:
			o.Added(c.added)
		case c.removed != nil && o.Removed != nil:
			o.Removed(c.removed, c.why)
		}
	}
}
