package validation

import (
	"usher/directory"
	"usher/internal/nearest"
	"usher/internal/secret"
)

// suggestions finds names that are similar to an unknown one.
type suggestions struct {
	users    []string // names of all users; collected when the first is needed
	compared int      // names compared so far
}

// maxCompared limits the cost of all suggestions for one set of records.
const maxCompared = 1 << 20

// didYouMean returns a hint that suggests one of the known names. If none is similar
// to name, it returns otherwise.
func (s *suggestions) didYouMean(name, otherwise string, known []string) string {
	if s.compared += len(known); s.compared > maxCompared {
		return otherwise
	}
	if best, ok := nearest.To(name, known); ok && best != name {
		return "did you mean " + secret.Name(best) + "?"
	}
	return otherwise
}

// userNames returns the names of all users. Most directories need no suggestions.
func (s *suggestions) userNames(r *directory.Records) []string {
	if s.users == nil {
		s.users = names(r.Users, func(u *directory.User) string { return u.Name })
	}
	return s.users
}

func names[T any](all []T, name func(*T) string) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = name(&all[i])
	}
	return out
}

// secret reports a secret in place of a name.
func (c *checker) secret(at path, name string) bool {
	if !secret.Detect(name) {
		return false
	}
	c.add(at, secret.Hint, "%s", directory.ErrSecret)
	return true
}
