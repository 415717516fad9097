package revocation

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"usher/callout"
	"usher/callout/session"
	"usher/directory"
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
	undecided   bool
	end         time.Time // of the credential, if the user JWT lasts longer; zero: it does not
}

// round decides what is to be decided now. before is the directory of the last round. It
// returns that of this one.
func (e *Engine) round(ctx context.Context, before *snapshot.Snapshot, working *sync.WaitGroup) *snapshot.Snapshot {
	taken, snap := e.take()
	defer e.endRound()
	if snap == nil {
		return before // none is loaded; nobody can be decided
	}
	if before == nil {
		before = snap
	}
	var closing []session.ID
	decide := func(one *session.Session, all []session.ID) bool {
		v := e.decide(ctx, one, before, snap)
		closing = append(closing, e.apply(&v, one, all)...)
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
	if d.Code == callout.CodeAmbiguous && s.Identity.Selection.IsZero() {
		// The user has got roles in another account. The session keeps those of its own: a
		// project_admin must not be able to close the sessions of others.
		one := *s
		one.Identity.Selection.Account = s.Grant.Account
		d = e.cfg.Decider.Reconsider(ctx, &one, snap)
	}
	if d.Outcome == callout.Denied {
		return verdict{cause: d.Code, what: d.Cause}
	}
	if d.Outcome != callout.Granted {
		return verdict{undecided: true}
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
	if !e.cfg.Reconnect {
		return verdict{}
	}
	if what, gained := permissions.Gained(&held, now); gained {
		return verdict{cause: CauseGained, what: what}
	}
	return verdict{}
}

// decideAdopted decides about a session of which only the user is known. It is closed if the
// user is gone or disabled, or if what the user gets has become less between two directories:
// its grant was no more than what the user got.
func (e *Engine) decideAdopted(s *session.Session, before, snap *snapshot.Snapshot) verdict {
	name := s.Identity.Name
	u, ok := snap.User(name)
	if err := e.bannedAdopted(s, u, snap); err != nil {
		return verdict{cause: tokens.CodeBanned, what: err.Error()}
	}
	_, was := before.User(name)
	switch {
	case !ok && was:
		return verdict{cause: callout.CodeUserUnknown, what: "the user is not in the directory any more"}
	case !ok: // the name of an identity of another authority, or of a user that others know
		return verdict{}
	case u.Disabled:
		return verdict{cause: tokens.CodeUserDisabled, what: "the user is disabled"}
	case !was || before == snap:
		return verdict{}
	}
	id := identity.Identity{Name: name, Authority: identity.AuthorityDirectory, Selection: s.Identity.Selection}
	had := e.cfg.Decider.DecideIdentity(before, id, permissions.MaxAnswer)
	gets := e.cfg.Decider.DecideIdentity(snap, id, permissions.MaxAnswer)
	switch {
	case had.Outcome != callout.Granted:
		return verdict{}
	case gets.Outcome == callout.Denied:
		return verdict{cause: gets.Code, what: gets.Cause}
	case gets.Outcome != callout.Granted:
		return verdict{undecided: true}
	}
	if what, lost := permissions.Lost(&had.Grant, &gets.Grant); lost {
		return verdict{cause: CauseLost, what: what}
	}
	return verdict{}
}

// bannedAdopted returns a ban of an adopted session: of its user, network or MQTT client id.
func (e *Engine) bannedAdopted(s *session.Session, u *directory.User, snap *snapshot.Snapshot) error {
	c := tokens.Credential{Connection: s.Grant.Connection}
	if s.Addr.IsValid() {
		c.Host = s.Addr.String()
	}
	return tokens.CheckBans(snap, &c, s.Identity, u, e.cfg.Now)
}

// apply notes a verdict about sessions that are alike. It returns those that are newly to be
// closed.
func (e *Engine) apply(v *verdict, one *session.Session, all []session.ID) (closing []session.ID) {
	again := v.end
	if now := e.cfg.Now(); v.undecided {
		again = now.Add(undecidedFor)
	} else if !again.IsZero() && again.Before(now.Add(time.Second)) {
		again = now.Add(time.Second) // the clock of the decision allows for a difference
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range all {
		e.decideAgain(id, again)
		p := e.pending[id]
		switch {
		case v.undecided, v.cause == "" && one.Adopted: // what was decided before stands
		case v.cause == "":
			delete(e.pending, id)
		case p == nil || p.gain() && v.cause != CauseGained:
			e.pending[id] = &pending{cause: v.cause, what: v.what, since: e.cfg.Now()}
			closing = append(closing, id)
		default:
			p.cause, p.what = v.cause, v.what
		}
	}
	return closing
}
