package kv

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// A slow writer can starve: a replica that is far from the leader, or whose change is
// large, loses every compare-and-set to faster writers. So after a few conflicts it
// takes a ticket: a message in the bucket that is stored at any revision. That message
// makes all changes fail that were sent before it, and writers that see it wait. The
// ticket only decides who waits: as before, only the revision decides which change is
// committed (docs/adr/0012).

// Names in the bucket. They are stored, so they do not change.
const (
	ticketName   = "turn"       // key of the message that opens or closes a ticket
	headerTicket = "Usher-Turn" // id of the ticket that a message opens or closes
)

// conflictsPerTicket is the number of conflicts after which a writer takes a ticket.
const conflictsPerTicket = 4

// writer commits one change.
type writer struct {
	s           *Store
	by          Author
	holdsQueue  bool
	ticket      string // id of the last ticket; empty: there was none
	ticketTaken bool   // and nothing has closed it yet
	conflicts   int
}

// acquire waits until no other change of this store is being committed. release has to
// be called then, unless there is an error.
func (w *writer) acquire(ctx context.Context) error {
	if err := w.s.queue.Acquire(ctx, w.by.flow()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	w.holdsQueue = true
	return nil
}

// yield lets changes of other authors go between two parts of this one.
func (w *writer) yield(ctx context.Context) error {
	w.holdsQueue = false
	if err := w.s.queue.Yield(ctx, w.by.flow()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	w.holdsQueue = true
	return nil
}

func (w *writer) release() {
	w.closeTicket()
	if w.holdsQueue {
		w.s.queue.Release()
	}
}

// waitForTickets waits for writers with an earlier ticket. It reports whether it has
// waited: the directory has changed then.
func (w *writer) waitForTickets(ctx context.Context) (waited bool) {
	for {
		until, changed := w.s.tickets.Before(w.ticket, w.s.cfg.Now())
		if until.IsZero() || ctx.Err() != nil {
			return waited
		}
		sleep(ctx, until.Sub(w.s.cfg.Now()), changed)
		waited = true
	}
}

// conflict waits until the change that was committed first is in use here, and takes a
// ticket after too many conflicts.
func (w *writer) conflict(ctx context.Context, st *state) (*state, error) {
	next, err := w.s.waitForRevision(ctx, st, st.revision+1)
	if err != nil {
		return nil, err
	}
	if w.conflicts++; w.conflicts%conflictsPerTicket != 0 {
		return next, nil
	}
	if w.ticket == "" {
		w.ticket = fmt.Sprintf("%020d.%s", next.revision, nuid.Next()) // an earlier ticket sorts before a later one
	}
	w.ticketTaken = true
	revision, err := w.s.openTicket(ctx, w.ticket)
	if err != nil {
		return next, nil //nolint:nilerr // it goes on without a ticket
	}
	return w.s.waitForRevision(ctx, next, revision)
}

// committed records that a change of this writer was committed, which has closed its
// ticket.
func (w *writer) committed() { w.ticketTaken = false }

// closeTicket gives back a ticket that was not used.
func (w *writer) closeTicket() {
	if w.ticketTaken {
		m := w.s.ticketMessage(w.ticket)
		m.Header.Set(headerOperation, "DEL")
		_ = w.s.cfg.Conn.PublishMsg(m) // if it is lost, the others wait for fair.TicketLife
	}
}

func (s *Store) ticketMessage(id string) *nats.Msg {
	m := nats.NewMsg(subjectOf(s.cfg.Bucket, ticketName))
	m.Header.Set(headerTicket, id)
	return m
}

// openTicket opens a ticket and returns its revision. Messages of failed attempts may
// still be on their way over a slow line, and the ticket would expire before anything
// that follows it arrives. So openTicket waits until those are sent.
func (s *Store) openTicket(ctx context.Context, id string) (uint64, error) {
	flush, cancelFlush := context.WithTimeout(ctx, commitTimeout)
	defer cancelFlush()
	if err := s.cfg.Conn.FlushWithContext(flush); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	answer, err := s.cfg.Conn.RequestMsgWithContext(ctx, s.ticketMessage(id))
	if err != nil {
		return 0, connError(err)
	}
	return ackRevision(answer)
}

// sleep sleeps for a duration, or until wake is closed. It returns false when ctx has
// ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}
