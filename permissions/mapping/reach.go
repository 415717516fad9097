package mapping

import (
	"fmt"
	"slices"
)

// contradictions reports conditions of a rule that cannot hold together.
func (c *compiler) contradictions(at string, when []condition) {
	if len(c.problems) > 0 {
		return // conditions may be incomplete
	}
	for i := range when {
		for j := range i {
			if a, b := &when[j], &when[i]; excludes(a, b) || excludes(b, a) {
				c.add(fmt.Sprintf("%s.when[%d]", at, i), "", "contradicts when[%d], so the rule never matches", j)
			}
		}
	}
}

// excludes reports whether b can never hold if a does, as far as that is simple to see.
func excludes(a, b *condition) bool {
	switch {
	case !a.sameFact(b):
		return false
	case a.operator == opExists:
		return a.exists != (b.operator != opExists || b.exists)
	case a.operator == opEquals || a.operator == opIn:
		return b.operator != opExists && !slices.ContainsFunc(a.values, b.holdsFor)
	default:
		return false
	}
}

// unreachable reports rules that never decide, because an earlier one matches whenever
// they do.
func (c *compiler) unreachable(rules []rule) {
	for i := range rules {
		for j := range i {
			if rules[i].implies(&rules[j]) {
				c.add(fmt.Sprintf("rules[%d].when", i), "change the order, or make the conditions of the earlier rule narrower",
					"the rule never decides, because rules[%d] (%s) matches whenever this one does", j, rules[j].name)
				break
			}
		}
	}
}

// implies reports whether all conditions of earlier hold whenever those of r do, as far
// as that is simple to see.
func (r *rule) implies(earlier *rule) bool {
	for i := range earlier.when {
		wanted := &earlier.when[i]
		if !slices.ContainsFunc(r.when, func(c condition) bool { return c.implies(wanted) }) {
			return false
		}
	}
	return true
}

func (c *condition) implies(other *condition) bool {
	switch {
	case !c.sameFact(other):
		return false
	case other.operator == opExists:
		return other.exists == (c.operator != opExists || c.exists)
	case c.operator == opEquals || c.operator == opIn:
		return !slices.ContainsFunc(c.values, func(v any) bool { return !other.holdsFor(v) })
	default:
		return c.operator == other.operator && c.pattern == other.pattern && slices.Equal(c.values, other.values)
	}
}

func (c *condition) sameFact(other *condition) bool {
	return slices.Equal(c.fact.keys, other.fact.keys)
}

// holdsFor reports whether the condition holds for a value of its fact.
func (c *condition) holdsFor(v any) bool { return c.decide(v, nil) }
