package explanation

import (
	"fmt"
	"slices"

	"usher/permissions"
)

// Question is one subject that is asked for: would it be allowed?
type Question struct {
	Side    permissions.Side
	Subject string
}

// Valid says why q cannot be asked, in words that begin with the subject.
func (q Question) Valid() error {
	switch {
	case !permissions.ValidSubject(q.Subject):
		return fmt.Errorf("%q is not a subject", q.Subject)
	case q.Side == permissions.Publish && permissions.HasWildcard(q.Subject):
		return fmt.Errorf("%q: a message has one subject, without wildcards", q.Subject)
	default:
		return nil
	}
}

// Answer is what a grant says to a Question.
type Answer struct {
	Side     permissions.Side  `json:"side"`
	Subject  string            `json:"subject"`
	Allowed  bool              `json:"allowed"`
	Filtered bool              `json:"filtered,omitempty"` // allowed, without what the rule denies
	Unknown  bool              `json:"unknown,omitempty"`  // the template of a scope decides, which usher does not have
	Rule     *permissions.Rule `json:"rule,omitempty"`     // none: nothing allows it
}

func (q Question) answer(g *permissions.Grant) Answer {
	if g.Scope != "" {
		return Answer{Side: q.Side, Subject: q.Subject, Unknown: true}
	}
	v := g.Check(q.Side, q.Subject)
	return Answer{Side: q.Side, Subject: q.Subject, Allowed: v.Allowed, Filtered: v.Filtered, Rule: v.Rule}
}

// Refuses reports whether a subject that was asked for is not allowed.
func (x *Explanation) Refuses() bool {
	return slices.ContainsFunc(x.Asked, func(a Answer) bool { return !a.Allowed && !a.Unknown })
}

// Unknown reports whether something was asked that only a template can answer.
func (x *Explanation) Unknown() bool {
	return slices.ContainsFunc(x.Asked, func(a Answer) bool { return a.Unknown })
}
