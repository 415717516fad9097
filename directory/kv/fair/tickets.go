package fair

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// TicketLife is how long a ticket is valid. Its holder may have crashed.
const TicketLife = 2 * time.Second

// Tickets are the open tickets of writers that have lost too often, as one replica
// knows them. They are sorted by id, not by arrival: messages that overwrite each
// other do not reach every replica, and with different orders two writers would wait
// for each other. The zero value is ready to use.
type Tickets struct {
	mu      sync.Mutex
	open    []ticket
	changed chan struct{} // closed when open changes; nil: no one waits
}

type ticket struct {
	id      string
	expires time.Time
}

// Opened records that a writer has taken a ticket.
func (t *Tickets) Opened(id string, now time.Time) {
	t.update(func() {
		t.open = slices.DeleteFunc(t.open, func(o ticket) bool { return o.id == id || !now.Before(o.expires) })
		i, _ := slices.BinarySearchFunc(t.open, id, func(o ticket, id string) int { return strings.Compare(o.id, id) })
		t.open = slices.Insert(t.open, i, ticket{id: id, expires: now.Add(TicketLife)})
	})
}

// Closed records that a writer has given its ticket back.
func (t *Tickets) Closed(id string) {
	t.update(func() { t.open = slices.DeleteFunc(t.open, func(o ticket) bool { return o.id == id }) })
}

// Committed records a change that was committed after all open tickets were taken. It
// closes the ticket of the change. If the change names no ticket, it closes the first
// one: no other writer may go before that.
func (t *Tickets) Committed(id string) {
	if id != "" {
		t.Closed(id)
		return
	}
	t.update(func() { t.open = t.open[min(1, len(t.open)):] })
}

func (t *Tickets) update(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// Before returns until when a writer has to wait for an earlier ticket; zero: there is
// none. id is the writer's own ticket; empty: it has none. changed is closed when the
// answer may be another one.
func (t *Tickets) Before(id string, now time.Time) (until time.Time, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = slices.DeleteFunc(t.open, func(o ticket) bool { return !now.Before(o.expires) })
	if len(t.open) == 0 || id != "" && id <= t.open[0].id {
		return time.Time{}, nil
	}
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.open[0].expires, t.changed
}
