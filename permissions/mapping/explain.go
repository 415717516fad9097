package mapping

import (
	"slices"
	"strings"

	"usher/identity"
)

// Verdict is what one rule says about an identity.
type Verdict struct {
	Rule    string
	Matched bool
	Decided bool // it matched, and its result counts

	// Of a rule that does not match: the first condition that does not hold.
	Condition int    // its index
	Fact      string // its path
	Expected  string // operator and value, such as `equals "github"`
	Found     string // value of the fact as JSON; empty: there is none
}

// Explain returns the verdict of every rule.
func (r *Rules) Explain(id *identity.Identity) []Verdict {
	if r == nil {
		return nil
	}
	verdicts := make([]Verdict, 0, len(r.rules))
	decided := false
	for i := range r.rules {
		rule := &r.rules[i]
		v := Verdict{Rule: rule.name}
		if n := rule.mismatch(&subject{id: id}); n < 0 {
			v.Matched, v.Decided = true, r.all || !decided
			decided = true
		} else {
			c := &rule.when[n]
			v.Condition, v.Fact, v.Expected = n, c.fact.text, c.expected()
			v.Found = found(&c.fact, id)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func found(p *factPath, id *identity.Identity) string {
	if fact := p.find(id); fact != nil {
		return show(fact)
	}
	return ""
}

// Fact is a fact of an identity, as JSON.
type Fact struct{ Path, Value string }

// Facts returns the attributes of an identity that the rules use, sorted by path.
func (r *Rules) Facts(id *identity.Identity) []Fact {
	if r == nil {
		return nil
	}
	var facts []Fact
	for i := range r.rules {
		for _, p := range r.rules[i].paths() {
			if value := found(p, id); value != "" && !isBuiltIn(p.keys[0]) {
				facts = append(facts, Fact{p.text, value})
			}
		}
	}
	slices.SortFunc(facts, func(a, b Fact) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(facts)
}

// paths returns the facts that a rule uses.
func (r *rule) paths() []*factPath {
	var paths []*factPath
	for i := range r.when {
		paths = append(paths, &r.when[i].fact)
	}
	templates := []*template{r.user, r.profile}
	for i := range r.roles {
		templates = append(templates, r.roles[i].project)
	}
	for _, t := range templates {
		if t == nil {
			continue
		}
		for i := range t.parts {
			if p := &t.parts[i]; p.literal == "" && p.group == "" {
				paths = append(paths, &p.fact)
			}
		}
	}
	return paths
}
