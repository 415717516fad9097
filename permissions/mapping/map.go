package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/directory"
	"usher/identity"
)

var (
	// ErrNoRule: no rule matches the identity.
	ErrNoRule = errors.New("no rule of identities matches")
	// ErrAmbiguous: the rules that match give different users or profiles, or one of them
	// and anything else.
	ErrAmbiguous = errors.New("the rules that match give different users or profiles, or one of them and anything else")
)

// Map returns what the rules give an identity. The errors are ErrNoRule, ErrValue and
// ErrAmbiguous; the result then has no more than the rules that matched. A rule that matches and whose values cannot be names is an error of the
// identity: another rule, which was meant for others, must not decide instead.
func (r *Rules) Map(id *identity.Identity) (Result, error) {
	var result Result
	if r == nil {
		return result, ErrNoRule
	}
	for i := range r.rules {
		s := subject{id: id}
		if r.rules[i].mismatch(&s) >= 0 {
			continue
		}
		if err := r.rules[i].addTo(&result, &s); err != nil {
			return Result{Rules: result.Rules}, err
		}
		if !r.all {
			return result, nil
		}
	}
	switch given := len(result.Roles) > 0 || result.Ingest; {
	case len(result.Rules) == 0:
		return result, ErrNoRule
	case result.User != "" && (given || result.Profile != ""), result.Profile != "" && given:
		return Result{Rules: result.Rules}, ambiguous(result.Rules)
	}
	return result, nil
}

func ambiguous(rules []string) error {
	return fmt.Errorf("%w: rules %s", ErrAmbiguous, strings.Join(rules, ", "))
}

// mismatch returns the index of the first condition that does not hold; -1: all hold.
func (r *rule) mismatch(s *subject) int {
	for i := range r.when {
		if !r.when[i].holds(s) {
			return i
		}
	}
	return -1
}

// addTo adds what the rule gives.
func (r *rule) addTo(result *Result, s *subject) error {
	result.Rules = append(result.Rules, r.name)
	result.Ingest = result.Ingest || r.ingest
	switch {
	case r.user != nil:
		return r.addName(&result.User, r.user, result, s)
	case r.profile != nil:
		return r.addName(&result.Profile, r.profile, result, s)
	default:
		return r.addRoles(result, s)
	}
}

// addName sets the user or the profile of a result, unless another rule gave another one.
func (r *rule) addName(to *string, t *template, result *Result, s *subject) error {
	name, err := t.expand(s)
	switch {
	case err != nil:
		return fmt.Errorf("rule %s: %w", r.name, err)
	case *to != "" && *to != name:
		return ambiguous(result.Rules)
	}
	*to = name
	return nil
}

func (r *rule) addRoles(result *Result, s *subject) error {
	if r.fixed != nil && result.Roles == nil {
		result.Roles = slices.Clip(r.fixed) // appending copies it
		return nil
	}
	for i := range r.roles {
		project, err := r.roles[i].project.expand(s)
		if err != nil {
			return fmt.Errorf("rule %s: %w", r.name, err)
		}
		given := r.roles[i].ProjectRole
		given.Project = project
		result.Roles = append(result.Roles, given)
	}
	return nil
}

// fixedRoles returns the roles if they are the same for every identity; nil: they are
// not.
func fixedRoles(roles []role) []directory.ProjectRole {
	var fixed []directory.ProjectRole
	for i := range roles {
		if roles[i].project.inserts() {
			return nil
		}
		given := roles[i].ProjectRole
		given.Project = roles[i].project.text
		fixed = append(fixed, given)
	}
	return fixed
}
