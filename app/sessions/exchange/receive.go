package exchange

import (
	"errors"
	"sync"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout/session"
)

const maxEnded = 1 << 20 // connections that ended during a transfer and are remembered

// incoming is what is known about changes that other replicas have told.
type incoming struct {
	mu        sync.Mutex
	removing  map[session.ID]bool // that another replica has told, for the time of the call
	transfers int                 // that arrive now
	ended     map[session.ID]bool // since the first of them began
}

// begin notes that a transfer begins. What ended during it must not come back with it.
func (in *incoming) begin() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.transfers++
	if in.ended == nil {
		in.ended = map[session.ID]bool{}
	}
}

func (in *incoming) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.transfers--; in.transfers == 0 {
		in.ended = nil
	}
}

func (in *incoming) hasEnded(id session.ID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ended[id]
}

// note notes that a connection has ended. It returns false if another replica has told so.
func (in *incoming) note(id session.ID) (own bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.transfers > 0 && len(in.ended) < maxEnded {
		in.ended[id] = true
	}
	return !in.removing[id]
}

func (in *incoming) setRemoving(id session.ID, on bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !on {
		delete(in.removing, id)
		return
	}
	if in.removing == nil {
		in.removing = map[session.ID]bool{}
	}
	in.removing[id] = true
	if in.transfers > 0 && len(in.ended) < maxEnded {
		in.ended[id] = true // also one that is not there yet
	}
}

// receive takes a message that a replica has sent to all.
func (x *Exchange) receive(m *nats.Msg) {
	if !x.access.allowed() {
		return
	}
	data, err := x.open(subjectAll, "", m.Data)
	if err != nil {
		return
	}
	msg, err := decodeMessage(x.mode, data)
	if err != nil {
		x.malformed.Add(1)
		return
	}
	if msg.From == x.cfg.Instance {
		return
	}
	x.taking.Lock()
	defer x.taking.Unlock()
	if !x.heard(msg) {
		return
	}
	c, err := msg.decodeChanges(x.mode)
	if err != nil {
		x.malformed.Add(1)
	} else if c != nil {
		x.take(c)
	}
}

// take applies changes to the registry.
func (x *Exchange) take(c *changes) {
	for id, why := range c.endings {
		x.incoming.setRemoving(id, true)
		x.cfg.Registry.Remove(id, why)
		x.incoming.setRemoving(id, false)
	}
	if len(c.Added) > 0 {
		_, _ = x.add(c.Added, c.Known) // it has counted what it cannot read
	}
}

// add adds sessions. known: they were granted earlier, and replace only what was granted
// before them. It returns the number of those that it can read.
func (x *Exchange) add(data []byte, known bool) (n int, err error) {
	all, err := sessions.Decode(data)
	if err != nil {
		x.malformed.Add(1)
		if !errors.Is(err, sessions.ErrUnreadable) {
			return 0, err
		}
	}
	for _, s := range all {
		if known && !x.isNews(s) {
			continue
		}
		if known {
			x.cfg.Registry.Add(s)
		} else if _, c := x.cfg.Registry.AddGranted(s); c != nil && x.cfg.Contested != nil {
			x.cfg.Contested(c)
		}
	}
	return len(all), nil
}

// isNews reports whether a session that was granted earlier is to be added.
func (x *Exchange) isNews(s *session.Session) bool {
	if x.incoming.hasEnded(s.ID) {
		return false
	}
	old, ok := x.cfg.Registry.Find(s.ID)
	return !ok || old.Adopted || s.Decided.After(old.Decided)
}
