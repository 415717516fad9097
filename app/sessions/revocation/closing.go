package revocation

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
)

const (
	// inForceFor is how long closing waits for replicas that still decide by the old state. A
	// session that such a replica grants is decided again when it arrives.
	inForceFor = 2 * time.Second
	// kickFor is how long one try to close sessions takes.
	kickFor = 2 * time.Second
	// A try that failed is repeated after firstRetry, then after twice that time, up to lastRetry.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 2 * time.Second
	// otherReplica is how often to look whether a session that another replica closes is now
	// to be closed here.
	otherReplica = time.Second
	// takeOverAfter is how long another replica has to close a session.
	takeOverAfter = 3 * time.Second
)

var errStillOpen = errors.New("its server did not say that it is closed")

// pending is a session that is to be closed, or is being closed.
type pending struct {
	cause, what string
	since       time.Time // when it was decided
	released    bool      // the new state is in force
	contested   bool      // it is closed whatever is decided about what it may have
	takeOver    time.Time // when to close it here although another replica is to
	busy        bool      // it is being tried
	due         time.Time // the next try
	failed      int       // tries
	err         error     // of the last one
	ended       bool      // its server says that it is closed, and removed is not told yet
}

// gain reports whether the session is to be closed because of a gain alone.
func (p *pending) gain() bool { return p.cause == CauseGained }

// Contested closes a connection of which nobody knows what was granted last. Each replica that
// notices does so, because others may not have noticed. It returns at once.
func (e *Engine) Contested(c *sessions.Contest) {
	now := e.cfg.Now()
	e.mu.Lock()
	e.pending[c.Other.ID] = &pending{
		cause: CauseContested, what: "granted to " + c.One.Identity.Name + " and to " + c.Other.Identity.Name + " at once, with different credentials",
		since: now, released: true, contested: true, takeOver: now,
	}
	e.mu.Unlock()
	signal(e.close)
}

// release waits until the new state is in force, and then lets the sessions be closed.
func (e *Engine) release(ctx context.Context, ids []session.ID) {
	wait, cancel := context.WithTimeout(ctx, inForceFor)
	late := e.cfg.Replicas.InForce(wait)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if len(late) > 0 {
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "sessions are closed although a replica still decides by an older state; what it grants is decided again",
			slog.String("replicas", strings.Join(late, ", ")), slog.Int("sessions", len(ids)))
	}
	var losses []Closing
	e.mu.Lock()
	e.late = map[string]bool{}
	for _, name := range late {
		e.late[name] = true
	}
	for _, id := range ids {
		p := e.pending[id]
		if p == nil {
			continue
		}
		p.released, p.takeOver = true, e.cfg.Now()
		if len(late) == 0 { // else the other replica may not know yet that it is to be closed
			p.takeOver = p.takeOver.Add(takeOverAfter)
		}
		if s, ok := e.live.Find(id); ok && !p.gain() {
			losses = append(losses, Closing{s, p.cause, p.what})
		}
	}
	e.mu.Unlock()
	if e.cfg.Revoke != nil && len(losses) > 0 {
		e.cfg.Revoke(losses)
	}
	signal(e.close)
}

// runClosing closes what is due until ctx ends.
func (e *Engine) runClosing(ctx context.Context) {
	var kicking sync.WaitGroup
	defer kicking.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-e.close:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		due, next := e.takeDue()
		for _, ids := range due {
			kicking.Go(func() { e.kick(ctx, ids) })
		}
		timer.Reset(next)
	}
}

// takeDue returns what this replica is to close now, by server, and when to look again.
func (e *Engine) takeDue() (due map[string][]session.ID, next time.Duration) {
	e.limitGains()
	due, next = map[string][]session.ID{}, time.Hour
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.cfg.Now()
	for id, p := range e.pending {
		if !p.released || p.busy {
			continue
		}
		if wait := p.due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		switch {
		case now.Before(p.takeOver) && !e.cfg.Replicas.Mine(id):
			p.due = now.Add(otherReplica)
			next = min(next, otherReplica)
		case p.gain() && !e.limiter.AllowN(now, 1):
			next = min(next, 100*time.Millisecond)
		default:
			p.busy = true
			due[id.Server] = append(due[id.Server], id)
		}
	}
	return due, next
}

// kick tries to close sessions of one server. A server that does not answer holds up no other
// one.
func (e *Engine) kick(ctx context.Context, ids []session.ID) {
	try, cancel := context.WithTimeout(ctx, kickFor)
	failed, err := e.cfg.Kicker.KickAll(try, ids, 0)
	cancel()
	if err == nil {
		err = errStillOpen
	}
	open := make(map[session.ID]bool, len(failed))
	for _, id := range failed {
		open[id] = true
	}
	again := len(failed) > 0
	for _, id := range ids {
		if open[id] {
			e.tryAgain(id, err)
		} else if !e.gone(id) {
			again = true
		}
	}
	if again {
		signal(e.close)
	}
}

// tryAgain notes that a session could not be closed.
func (e *Engine) tryAgain(id session.ID, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.pending[id]
	if p == nil {
		return
	}
	p.busy, p.err = false, err
	p.due = e.cfg.Now().Add(min(firstRetry<<min(p.failed, 8), lastRetry))
	p.failed++
}

// gone notes that a session was closed. It returns false if it has to be looked at later.
func (e *Engine) gone(id session.ID) bool {
	s, known := e.live.Find(id)
	e.mu.Lock()
	p := e.pending[id]
	if p != nil && !known && !p.ended {
		// The registry has removed it, and tells the engine now. A look later is for a
		// session that was removed before it was to be closed.
		p.ended, p.busy, p.due = true, false, e.cfg.Now().Add(otherReplica)
		e.mu.Unlock()
		return false
	}
	delete(e.pending, id)
	e.mu.Unlock()
	if p != nil && known { // else removed has recorded it
		e.hasClosed(s, p)
	}
	return true
}

// hasClosed records a session that this replica has closed.
func (e *Engine) hasClosed(s *session.Session, p *pending) {
	e.mu.Lock()
	e.closed[p.cause]++
	e.mu.Unlock()
	e.cfg.Closed(Closing{s, p.cause, p.what})
}
