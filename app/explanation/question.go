package explanation

import (
	"fmt"
	"slices"

	"usher/permissions"
)

// Question asks whether one subject would be allowed.
type Question struct {
	Side    permissions.Side
	Subject string
}

// Valid returns an error if q is not valid. The message begins with the subject.
func (q Question) Valid() error {
	switch {
	case !permissions.ValidSubject(q.Subject):
		return fmt.Errorf("%q is not a subject", q.Subject)
	case q.Side == permissions.Publish && permissions.HasWildcard(q.Subject):
		return fmt.Errorf("%q has a wildcard, which a subject to publish to cannot have", q.Subject)
	default:
		return nil
	}
}

// Answer is the answer to a Question.
type Answer struct {
	Side     permissions.Side  `json:"side"`
	Subject  string            `json:"subject"`
	Allowed  bool              `json:"allowed"`
	Filtered bool              `json:"filtered,omitempty"` // allowed, except for what Rule denies
	Unknown  bool              `json:"unknown,omitempty"`  // the template of a scoped signing key decides
	Rule     *permissions.Rule `json:"rule,omitempty"`     // nil: no rule allows it
}

func (q Question) answer(g *permissions.Grant) Answer {
	if g.Scope != "" {
		return Answer{Side: q.Side, Subject: q.Subject, Unknown: true}
	}
	v := g.Check(q.Side, q.Subject)
	return Answer{Side: q.Side, Subject: q.Subject, Allowed: v.Allowed, Filtered: v.Filtered, Rule: v.Rule}
}

// Denies reports whether a requested subject is not allowed.
func (x *Explanation) Denies() bool {
	return slices.ContainsFunc(x.Answers, func(a Answer) bool { return !a.Allowed && !a.Unknown })
}

// Unknown reports whether only a template can answer one of the questions.
func (x *Explanation) Unknown() bool {
	return slices.ContainsFunc(x.Answers, func(a Answer) bool { return a.Unknown })
}
