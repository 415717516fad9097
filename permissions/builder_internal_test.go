package permissions

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestCollapse: the lookup by prefix drops the same rules as a comparison with every
// wildcard.
func TestCollapse(t *testing.T) {
	tokens := []string{"a", "b", "a", "b", "*", ">"}
	for range 20_000 {
		var b builder
		for range rand.IntN(8) {
			var subject []string
			for len(subject) < 4 && rand.IntN(4) > 0 || len(subject) == 0 {
				subject = append(subject, tokens[rand.IntN(len(tokens))])
				if subject[len(subject)-1] == ">" {
					break
				}
			}
			b.allow(Sides()[rand.IntN(2)], strings.Join(subject, "."), Origin{})
			b.rules[len(b.rules)-1].Effect = []Effect{Allow, Deny}[rand.IntN(2)]
		}
		all := slices.Clone(b.rules)
		slices.SortStableFunc(b.rules, compareRules)
		got := collapse(b.rules)
		for i := range all {
			covered := slices.ContainsFunc(all, func(w Rule) bool {
				return sameKind(&w, &all[i]) && w.Subject != all[i].Subject && Covers(w.Subject, all[i].Subject)
			})
			kept := slices.ContainsFunc(got, func(r Rule) bool { return sameKind(&r, &all[i]) && r.Subject == all[i].Subject })
			if kept == covered {
				t.Fatalf("%s %s %s: covered %v, kept %v, in %v", all[i].Side, all[i].Effect, all[i].Subject, covered, kept, all)
			}
		}
	}
}
