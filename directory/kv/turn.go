package kv

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Whoever is slower than the others, because the leader is far away or the change
// large, could lose to them for ever. It asks for the turn then: by a message in
// the bucket that is taken on any revision. Nobody's change from before it can be
// made any more, and who has seen it waits. Whose turn it is says only who waits:
// what is made says the revision alone, as ever (docs/adr/0012).

const (
	turnName   = "turn"       // of the message in the bucket
	headerTurn = "Usher-Turn" // who asks, and whose change it is that ends the turn

	turnAfter = 4               // changes that others have made meanwhile
	turnLimit = 2 * time.Second // for who has the turn; it may be gone
)

// turns are those that were asked for and are not over, the first first. It is by
// what they are called, the same everywhere: of messages that overwrite each other
// not every usher has heard all, and two would wait for each other else.
type turns struct {
	mu    sync.Mutex
	open  []turn
	moved chan struct{} // closed when open changes; nil: nobody waits
}

type turn struct {
	of    string
	until time.Time
}

// asked notes that somebody asks for the turn.
func (t *turns) asked(of string, now time.Time) {
	t.change(func() {
		t.open = slices.DeleteFunc(t.open, func(o turn) bool { return o.of == of || !now.Before(o.until) })
		at, _ := slices.BinarySearchFunc(t.open, of, func(o turn, of string) int { return strings.Compare(o.of, of) })
		t.open = slices.Insert(t.open, at, turn{of: of, until: now.Add(turnLimit)})
	})
}

// over notes that somebody does not ask any more.
func (t *turns) over(of string) {
	t.change(func() { t.open = slices.DeleteFunc(t.open, func(o turn) bool { return o.of == of }) })
}

// made notes a change behind all that were asked for: it ends the turn of who made
// it. If nobody says whose it was, the first one is over: nobody else goes before.
func (t *turns) made(by string) {
	if by != "" {
		t.over(by)
		return
	}
	t.change(func() { t.open = t.open[min(1, len(t.open)):] })
}

func (t *turns) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	if t.moved != nil {
		close(t.moved)
		t.moved = nil
	}
}

// before returns until when others may go before of; zero: nobody does. moved is
// closed when that may have changed.
func (t *turns) before(of string, now time.Time) (until time.Time, moved <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = slices.DeleteFunc(t.open, func(o turn) bool { return !now.Before(o.until) })
	if len(t.open) == 0 || of != "" && of <= t.open[0].of {
		return time.Time{}, nil
	}
	if t.moved == nil {
		t.moved = make(chan struct{})
	}
	return t.open[0].until, t.moved
}

// contender is one change among others.
type contender struct {
	s     *Store
	by    Author
	in    bool   // it is the one of this store that makes changes
	id    string // empty until it asks for the turn
	lost  int
	asked bool // and nothing has ended that
}

// enter waits until no other change of this store is being made. Without an error,
// leave has to be called.
func (c *contender) enter(ctx context.Context) error {
	if err := c.s.writing.enter(ctx, c.by.party()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	c.in = true
	return nil
}

// pass lets other authors go between two parts of a change.
func (c *contender) pass(ctx context.Context) error {
	c.in = false
	if err := c.s.writing.pass(ctx, c.by.party()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	c.in = true
	return nil
}

func (c *contender) leave() {
	c.end()
	if c.in {
		c.s.writing.leave()
	}
}

// yield waits for those whose turn it is. It reports whether it did: the directory
// is another one then.
func (c *contender) yield(ctx context.Context) (waited bool) {
	for {
		until, moved := c.s.turns.before(c.id, c.s.cfg.Now())
		if until.IsZero() || ctx.Err() != nil {
			return waited
		}
		limit := time.NewTimer(until.Sub(c.s.cfg.Now()))
		select {
		case <-moved:
		case <-limit.C:
		case <-ctx.Done():
		}
		limit.Stop()
		waited = true
	}
}

// beaten waits until the change that was faster is in use here, and asks for the
// turn when there were too many of them.
func (c *contender) beaten(ctx context.Context, st *state) (*state, error) {
	next, err := c.s.reached(ctx, st, st.revision+1)
	if err != nil {
		return nil, err
	}
	if c.lost++; c.lost%turnAfter != 0 {
		return next, nil
	}
	if c.id == "" {
		c.id = fmt.Sprintf("%020d.%s", next.revision, nuid.Next()) // who asks first goes first
	}
	c.asked = true
	at, err := c.s.askTurn(ctx, c.id)
	if err != nil {
		return next, nil //nolint:nilerr // it goes on without
	}
	return c.s.reached(ctx, next, at)
}

// made notes that a change of this contender was made, which ended its turn.
func (c *contender) made() { c.asked = false }

// end gives up a turn that was not used.
func (c *contender) end() {
	if c.asked {
		m := c.s.turnMessage(c.id)
		m.Header.Set(headerOperation, "DEL")
		_ = c.s.cfg.Conn.PublishMsg(m) // or the others wait for turnLimit
	}
}

func (s *Store) turnMessage(id string) *nats.Msg {
	m := nats.NewMsg(subjectOf(s.cfg.Bucket, turnName))
	m.Header.Set(headerTurn, id)
	return m
}

// askTurn asks for the turn, and returns the revision of that. What was sent in
// vain may still be on its way over a slow line: the turn would be over before
// anything that is sent in it got there.
func (s *Store) askTurn(ctx context.Context, id string) (uint64, error) {
	sent, flushed := context.WithTimeout(ctx, commitLimit)
	defer flushed()
	if err := s.cfg.Conn.FlushWithContext(sent); err != nil {
		return 0, err
	}
	ctx, done := context.WithTimeout(ctx, publishLimit)
	defer done()
	answer, err := s.cfg.Conn.RequestMsgWithContext(ctx, s.turnMessage(id))
	if err != nil {
		return 0, plain(err)
	}
	return taken(answer)
}
