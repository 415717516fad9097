package explanation

import (
	"usher/callout"
	"usher/callout/session"
	"usher/internal/secret"
	"usher/permissions"
)

// OfSession explains the grant of a session as it was when it connected.
func OfSession(in Inputs, s *session.Session) *Explanation {
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

// OnlyIn returns what an explanation says about one project, and nothing else; nil: the
// grant is not only about the project. It leaves out the cause, which may name others.
func (x *Explanation) OnlyIn(project string) *Explanation {
	out := &Explanation{Outcome: x.Outcome, Code: x.Code}
	if x.Grant == nil {
		return out
	}
	if g := (permissions.Grant{Tags: x.Grant.Tags}); !g.OnlyIn(project) {
		return nil
	}
	out.Grant = x.Grant
	return out
}
