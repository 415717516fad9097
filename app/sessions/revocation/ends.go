package revocation

import (
	"sync"
	"time"

	"usher/callout/session"
)

// ends knows which sessions end sooner than their user JWTs, because their credential does by
// now. It has a lock of its own: the registry asks it while the engine asks the registry.
type ends struct {
	mu sync.RWMutex
	at map[session.ID]time.Time
}

// set notes the end of a session; zero: that of its user JWT.
func (e *ends) set(id session.ID, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at.IsZero() {
		delete(e.at, id)
		return
	}
	e.at[id] = at
}

// of returns the end of a session; zero: that of its user JWT.
func (e *ends) of(id session.ID) time.Time {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.at[id]
}
