package identitytable

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"usher/app/explanation"
	"usher/identity"
	"usher/tokens"
)

// Result is what a case got.
type Result struct {
	Name        string                   `json:"name"`
	Line        int                      `json:"line"` // of the case in its file
	Passed      bool                     `json:"passed"`
	Differences []Difference             `json:"differences,omitempty"`
	Got         *explanation.Explanation `json:"got"`
}

// Difference is one expectation that is not met.
type Difference struct {
	Key      string `json:"key"` // of Expect
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// Run decides every case.
func Run(ctx context.Context, in explanation.Inputs, cases []Case) []Result {
	results := make([]Result, 0, len(cases))
	for i := range cases {
		c := &cases[i]
		r := Result{Name: c.Name, Line: c.line, Got: c.decide(ctx, in)}
		r.compare(c)
		r.Passed = len(r.Differences) == 0
		results = append(results, r)
	}
	return results
}

func (c *Case) decide(ctx context.Context, in explanation.Inputs) *explanation.Explanation {
	questions := make([]explanation.Question, len(c.questions))
	for i := range questions {
		questions[i] = c.questions[i].Question
	}
	if c.Identity == nil {
		credential := tokens.Credential{AuthToken: c.token, User: c.Select, Host: c.Host}
		return explanation.ForCredential(ctx, in, &credential, questions...)
	}
	return explanation.ForIdentity(in, identity.Identity{
		Authority: identity.Authority(c.Identity.Authority), Method: identity.Method(c.Identity.Method), ID: c.Identity.ID,
		Attributes: c.Identity.Attributes, Selection: c.selection,
	}, questions...)
}

// compare adds the differences between a result and what is expected.
func (r *Result) compare(c *Case) {
	x, e := r.Got, &c.Expect
	user, account := "", ""
	if x.Identity != nil {
		user = x.Identity.Name
	}
	if x.Grant != nil {
		account = x.Grant.Account
	}
	for _, field := range []Difference{
		{"outcome", string(e.Outcome), string(x.Outcome)},
		{"code", e.Code, x.Code},
		{"user", e.User, user},
		{"rule", e.Rule, decidedBy(x)},
		{"account", e.Account, account},
		{"profile", e.Profile, x.Profile},
	} {
		if field.Expected != "" && field.Expected != field.Got {
			r.Differences = append(r.Differences, field)
		}
	}
	if want, got := sorted(e.Roles), sorted(rolesOf(x)); e.Roles != nil && want != got {
		r.Differences = append(r.Differences, Difference{"roles", want, got})
	}
	for i, q := range c.questions {
		got := "no"
		switch {
		case x.Grant == nil: // nothing is allowed
		case x.Answers[i].Unknown:
			got = "unknown: the template of the scoped signing key decides"
		case x.Answers[i].Allowed:
			got = "yes"
		}
		if want := map[bool]string{true: "yes", false: "no"}[q.allowed]; want != got {
			r.Differences = append(r.Differences, Difference{q.key + " " + q.Subject, want, got})
		}
	}
}

func decidedBy(x *explanation.Explanation) string {
	var names []string
	for i := range x.Rules {
		if x.Rules[i].Result == explanation.RuleDecided {
			names = append(names, x.Rules[i].Name)
		}
	}
	return strings.Join(names, ", ")
}

// rolesOf returns the roles that the selection does not leave out.
func rolesOf(x *explanation.Explanation) []string {
	var roles []string
	for _, r := range x.Roles {
		if r.LeftOut {
			continue
		}
		name := r.Role
		if r.Project != "" {
			name = r.Project + "/" + r.Role
		}
		roles = append(roles, name)
	}
	return roles
}

func sorted(texts []string) string {
	return cmp.Or(strings.Join(slices.Sorted(slices.Values(texts)), ", "), "none")
}

// User returns the name of the identity; empty: it has none.
func (r *Result) User() string {
	if r.Got.Identity == nil {
		return ""
	}
	return r.Got.Identity.Name
}

// Rule returns the names of the rules that decided; empty: none did.
func (r *Result) Rule() string { return decidedBy(r.Got) }
