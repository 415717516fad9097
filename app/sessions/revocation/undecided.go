package revocation

import (
	"time"

	"usher/callout/session"
	"usher/directory/snapshot"
)

// undecided is a session about which nothing can be decided. It stays open.
type undecided struct {
	why     string
	since   time.Time
	compare *snapshot.Snapshot // of an adopted session: the directory before; nil: none
}

// noteUndecided notes whether a session could not be decided. The caller holds mu.
func (e *Engine) noteUndecided(id session.ID, v *verdict, now time.Time) {
	if v.undecided == "" {
		delete(e.undecided, id)
		return
	}
	u, ok := e.undecided[id]
	if !ok {
		u.since = now
	}
	if u.compare == nil {
		u.compare = v.compare
	}
	u.why = v.undecided
	e.undecided[id] = u
}

// gainEvery is how long a user's sessions stay open after some were closed because of a gain:
// whoever adds somebody to a project and removes him again must not close them each time.
const gainEvery = time.Minute

// gains is when sessions were last to be closed because of a gain, by user.
type gains struct {
	last  map[string]time.Time
	round time.Time
}

// begin begins a round. Those of one round are closed together.
func (g *gains) begin(now time.Time) {
	g.round = now
	for name, at := range g.last {
		if now.Sub(at) >= gainEvery {
			delete(g.last, name)
		}
	}
}

// wait returns until when the sessions of a user are not to be closed; zero: close them.
func (g *gains) wait(name string, now time.Time) time.Time {
	if at, ok := g.last[name]; ok && !at.Equal(g.round) && now.Sub(at) < gainEvery {
		return at.Add(gainEvery)
	}
	g.last[name] = g.round
	return time.Time{}
}
