package revocation

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"usher/callout"
	"usher/callout/session"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

// undecidedFor is how long a session that cannot be decided waits for the next try.
const undecidedFor = 5 * time.Second

// verdict is what is decided about a session. Without a cause it stays.
type verdict struct {
	cause, what string
	undecided   string             // why nothing can be decided; empty: something is
	hopeless    bool               // and trying again helps only after a change
	compare     *snapshot.Snapshot // what an adopted session is to be compared with then; nil: nothing
	end         time.Time          // of the credential, if the user JWT lasts longer; zero: it does not
}

// round decides what is to be decided now. before is the directory of the last round. It
// returns that of this one.
func (e *Engine) round(ctx context.Context, before *snapshot.Snapshot, working *sync.WaitGroup) *snapshot.Snapshot {
	taken, snap := e.take()
	defer e.endRound()
	if snap == nil {
		return before // none is loaded; nobody can be decided
	}
	e.gains.begin(e.cfg.Now())
	if before == nil {
		before = snap
	}
	var closing []session.ID
	decide := func(one *session.Session, all []session.ID) bool {
		for before, ids := range e.byBefore(one, all, before) {
			v := e.decide(ctx, one, before, snap)
			closing = append(closing, e.apply(&v, one, ids)...)
		}
		return ctx.Err() == nil
	}
	switch {
	case taken.all:
		e.live.Groups(nil, decide)
	case taken.any && e.mapped.Load():
		e.live.Groups(nil, func(one *session.Session, all []session.ID) bool {
			return !taken.concerns(one, before, snap) || decide(one, all)
		})
	case len(taken.users) > 0:
		e.live.Groups(taken.names(), decide)
	}
	if !taken.all {
		for id := range taken.arrivals {
			if s, ok := e.live.Find(id); ok && ctx.Err() == nil {
				decide(s, []session.ID{id})
			}
		}
	}
	if len(closing) > 0 {
		working.Go(func() { e.release(ctx, closing) })
	}
	if taken.at != nil {
		return taken.at
	}
	return before
}

func (e *Engine) endRound() {
	e.mu.Lock()
	e.deciding = false
	e.mu.Unlock()
}

// concerns reports whether the changes may have taken something from a session. What an
// identity that is no user of the directory gets depends on the projects alone.
func (c *changes) concerns(s *session.Session, before, snap *snapshot.Snapshot) bool {
	if s.Adopted || s.Identity.Authority == identity.AuthorityDirectory || c.users[s.Identity.Name] {
		return c.users[s.Identity.Name]
	}
	return s.Identity.Authority != identity.AuthorityUsher && (s.Profile != "" || s.Grant.WholeAccount || slices.ContainsFunc(s.Projects(), func(name string) bool {
		was, _ := before.Project(name)
		is, _ := snap.Project(name)
		return was != is || was == nil
	}))
}

// decide decides about one session.
func (e *Engine) decide(ctx context.Context, s *session.Session, before, snap *snapshot.Snapshot) verdict {
	if s.Adopted {
		return e.decideAdopted(s, before, snap)
	}
	d := e.cfg.Decider.Reconsider(ctx, s, snap)
	if d.Code == callout.CodeAmbiguous || d.Code == callout.CodeAmbiguousScope {
		// The user has got roles in another account, or of another signing key. The session
		// keeps those of its own: a project_admin must not be able to close the sessions of others.
		d = e.cfg.Decider.ReconsiderKept(ctx, s, snap)
	}
	if d.Outcome == callout.Denied {
		return verdict{cause: d.Code, what: d.Cause}
	}
	if d.Outcome != callout.Granted {
		return verdict{undecided: d.Code}
	}
	v := e.compare(s, &d.Grant)
	if end := d.Grant.NotAfter; !end.IsZero() && (s.Expires.IsZero() || end.Before(s.Expires)) {
		v.end = end
	}
	return v
}

// compare compares the grant of a session with what it would get now.
func (e *Engine) compare(s *session.Session, now *permissions.Grant) verdict {
	held := s.Grant
	if slices.ContainsFunc(now.Networks, func(n netip.Prefix) bool { return n.Contains(s.Addr) }) {
		held.Networks = now.Networks // a network that was taken away is not where the client is
	}
	if what, lost := permissions.Lost(&held, now); lost {
		return verdict{cause: CauseLost, what: what}
	}
	if !e.onGain.Load().Reconnect {
		return verdict{}
	}
	if what, gained := permissions.Gained(&held, now); gained {
		return verdict{cause: CauseGained, what: what}
	}
	return verdict{}
}

// apply notes a verdict about sessions that are alike. It returns those that are newly to be
// closed.
func (e *Engine) apply(v *verdict, one *session.Session, all []session.ID) (closing []session.ID) {
	again, now := v.end, e.cfg.Now()
	switch {
	case v.undecided != "" && !v.hopeless:
		again = now.Add(undecidedFor)
	case !again.IsZero() && again.Before(now.Add(time.Second)):
		again = now.Add(time.Second) // the clock of the decision allows for a difference
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	wait := time.Time{}
	if v.cause == CauseGained {
		wait = e.gains.wait(one.Identity.Name, now)
	}
	for _, id := range all {
		e.decideAgain(id, again)
		if v.undecided == "" {
			e.ends.set(id, v.end)
		}
		e.noteUndecided(id, v, now)
		p := e.pending[id]
		switch {
		case v.undecided != "", v.cause == "" && one.Adopted: // what was decided before stands
		case p != nil && p.contested:
		case p == nil && !wait.IsZero():
			e.decideAgain(id, tokens.Earlier(again, wait))
		case v.cause == "":
			delete(e.pending, id)
		case p == nil || p.gain() && v.cause != CauseGained:
			e.pending[id] = &pending{cause: v.cause, what: v.what, since: now}
			closing = append(closing, id)
		default:
			p.cause, p.what = v.cause, v.what
		}
	}
	return closing
}
