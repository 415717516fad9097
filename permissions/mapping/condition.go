package mapping

import (
	"fmt"
	"path"
	"regexp"
	"slices"
)

// The operators of a condition, as usher.yaml spells them.
const (
	opEquals   = "equals"
	opIn       = "in"
	opContains = "contains"
	opGlob     = "glob"
	opRegexp   = "regexp"
	opExists   = "exists"
)

// condition is a compiled Condition.
type condition struct {
	fact     factPath
	operator string
	values   []any          // normal; of equals, in and contains
	pattern  string         // of glob and regexp
	regexp   *regexp.Regexp // of regexp
	exists   bool           // of exists
}

// holds reports whether the condition holds. A regexp that holds adds the texts of its
// named groups.
func (c *condition) holds(s *subject) bool { return c.decide(c.fact.find(s.id), s) }

// decide is holds for a value of the fact. A nil subject gets no texts.
func (c *condition) decide(fact any, s *subject) bool {
	switch c.operator {
	case opEquals, opIn:
		return c.anyEqual(fact)
	case opContains:
		return c.contains(fact)
	case opExists:
		return (fact != nil) == c.exists
	}
	text, ok := fact.(string)
	return ok && c.matches(text, s)
}

func (c *condition) anyEqual(fact any) bool {
	return slices.ContainsFunc(c.values, func(want any) bool { return equal(fact, want) })
}

// contains takes a scalar for a list of one: the claim aud, for example, may be either
// (RFC 7519, section 4.1.3).
func (c *condition) contains(fact any) bool {
	if list, ok := fact.([]any); ok {
		return slices.ContainsFunc(list, c.anyEqual)
	}
	return c.anyEqual(fact)
}

func (c *condition) matches(text string, s *subject) bool {
	if c.operator == opGlob {
		ok, err := path.Match(c.pattern, text)
		return ok && err == nil
	}
	if s == nil || c.regexp.NumSubexp() == 0 {
		return c.regexp.MatchString(text)
	}
	groups := c.regexp.FindStringSubmatch(text)
	if groups == nil {
		return false
	}
	for i, name := range c.regexp.SubexpNames() {
		if name == "" {
			continue
		}
		if s.captured == nil {
			s.captured = map[string]string{}
		}
		s.captured[name] = groups[i]
	}
	return true
}

// expected describes what the condition wants of its fact.
func (c *condition) expected() string {
	switch c.operator {
	case opIn:
		return fmt.Sprintf("%s %s", c.operator, show(c.values))
	case opGlob, opRegexp:
		return fmt.Sprintf("%s %s", c.operator, show(c.pattern))
	case opExists:
		return fmt.Sprintf("%s %t", c.operator, c.exists)
	default:
		return fmt.Sprintf("%s %s", c.operator, show(c.values[0]))
	}
}
