package explanation

import (
	"context"

	"usher/callout"
	"usher/callout/session"
	"usher/internal/secret"
	"usher/permissions"
)

// Session has the reasons for the grant of a session: as it was, and as it would be now.
type Session struct {
	Was *Explanation
	Now *Explanation // nil: OnlyIn has left it out

	Lost   string // one thing that the grant had and would not have now
	Gained string // one thing that the grant would have now and did not have
}

// ForSession explains the grant of a session. It asks no other system.
func ForSession(ctx context.Context, in Inputs, s *session.Session) *Session {
	d := in.Decider.Reconsider(ctx, s, in.Decider.Snapshot())
	out := &Session{Was: in.was(s)}
	switch d.Outcome {
	case callout.Granted:
		out.Lost, _ = permissions.Lost(&s.Grant, &d.Grant)
		out.Gained, _ = permissions.Gained(&s.Grant, &d.Grant)
	case callout.Denied:
		out.Lost = "everything"
	case callout.Unavailable, callout.Shed, callout.Malformed: // not decided, so nothing is lost
	}
	out.Now = in.explain(d, nil)
	out.Now.filterMapping(secret.Filter{})
	return out
}

// was explains the grant of a session as it was when it connected.
func (in *Inputs) was(s *session.Session) *Explanation {
	x := &Explanation{
		Outcome: callout.Granted, Code: callout.CodeGranted, Verifier: s.Verifier, Profile: s.Profile,
		Identity: identityOf(&s.Identity), Grant: grantOf(&s.Grant, &s.Identity),
	}
	for _, name := range s.Rules {
		x.Rules = append(x.Rules, Rule{Name: name, Result: RuleDecided})
	}
	x.Grant.Rules = append([]permissions.Rule{}, s.Grant.Rules...)
	if now := in.Decider.Snapshot(); now != nil {
		x.Grant.Rules = withOrigins(&callout.Decision{Grant: s.Grant, Rules: s.Rules, Identity: s.Identity, Snapshot: now})
	}
	x.Grant.EndsBecause = "its user JWT has no end"
	if end := s.Expires; !end.IsZero() {
		x.Grant.Ends, x.Grant.EndsBecause = &end, "its user JWT ends"
	}
	x.filterMapping(secret.Filter{})
	return x
}

// OnlyIn leaves out all that is not about one project, in which the grant of the session is.
func (x *Session) OnlyIn(project string) {
	x.Was = x.Was.onlyIn(project)
	if x.Now = x.Now.onlyIn(project); x.Now == nil {
		x.Lost, x.Gained = "", ""
	}
}

// onlyIn returns what an explanation says about one project; nil: the grant is not only
// about it. It leaves out the cause and the rules, which may name others.
func (x *Explanation) onlyIn(project string) *Explanation {
	out := &Explanation{Outcome: x.Outcome, Code: x.Code, Grant: x.Grant}
	if x.Grant != nil && !(&permissions.Grant{Tags: x.Grant.Tags}).OnlyIn(project) {
		return nil
	}
	return out
}
