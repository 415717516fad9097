package permissions

import (
	"cmp"
	"slices"
	"strings"
)

// authSubject is the subject of nats-server's authorization requests. A client that may
// publish to it can pose as a server; one that may subscribe reads every credential.
const authSubject = "$SYS.REQ.USER.AUTH"

// builder collects the rules of one grant.
type builder struct{ rules []Rule }

func (b *builder) allow(side Side, subject string, o Origin) {
	b.rules = append(b.rules, Rule{Side: side, Effect: Allow, Subject: subject, Origin: o})
}

// grow makes room for n rules.
func (b *builder) grow(n int) { b.rules = slices.Grow(b.rules, n) }

func (b *builder) both(subject string, o Origin) {
	b.allow(Publish, subject, o)
	b.allow(Subscribe, subject, o)
}

// build returns the rules of both sides, sorted, without those that others cover.
func (b *builder) build() []Rule {
	for _, side := range Sides() {
		b.addDenials(side)
	}
	slices.SortStableFunc(b.rules, compareRules)
	return collapse(b.rules)
}

func compareRules(x, y Rule) int {
	return cmp.Or(cmp.Compare(x.Side, y.Side), cmp.Compare(x.Effect, y.Effect), cmp.Compare(x.Subject, y.Subject))
}

// addDenials adds the rules that hold for every grant: it denies all of an empty side,
// and the auth subject where an allowance reaches it.
func (b *builder) addDenials(side Side) {
	empty, reaches := true, false
	for i := range b.rules {
		if b.rules[i].Side == side && b.rules[i].Effect == Allow {
			empty = false
			reaches = reaches || Overlaps(reach(side, b.rules[i].Subject), authSubject)
		}
	}
	deny := Rule{Side: side, Effect: Deny, Origin: Origin{Source: SourceInvariant}}
	switch {
	case empty:
		deny.Subject = ">"
		b.rules = append(b.rules, deny)
	case reaches:
		deny.Subject = authSubject
		b.rules = append(b.rules, deny)
	}
}

// collapse drops repeated rules, and every rule that a wildcard of the same side and
// effect covers. It never grants more, because the wildcard is already granted.
func collapse(sorted []Rule) []Rule {
	wildcards := wildcardIndexOf(sorted)
	kept := 0
	for i := range sorted {
		r := &sorted[i]
		if kept > 0 && sameKind(&sorted[kept-1], r) && sorted[kept-1].Subject == r.Subject || wildcards.covers(r) {
			continue
		}
		if kept < i {
			sorted[kept] = *r
		}
		kept++
	}
	return slices.Clip(sorted[:kept])
}

// wildcardIndex holds the rules with wildcards, sorted by their literal prefix. Only
// rules with a prefix of a subject can cover it, so it is compared with a few of
// thousands.
type wildcardIndex []wildcard

type wildcard struct {
	prefix, subject string
	side            Side
	effect          Effect
}

func wildcardIndexOf(rules []Rule) wildcardIndex {
	var w wildcardIndex
	for i := range rules {
		if r := &rules[i]; HasWildcard(r.Subject) {
			w = append(w, wildcard{literalPrefix(r.Subject), r.Subject, r.Side, r.Effect})
		}
	}
	slices.SortFunc(w, func(x, y wildcard) int { return strings.Compare(x.prefix, y.prefix) })
	return w
}

// covers reports whether another rule covers all of r.
func (w wildcardIndex) covers(r *Rule) bool {
	if len(w) == 0 {
		return false
	}
	prefix := literalPrefix(r.Subject)
	for {
		i, _ := slices.BinarySearchFunc(w, prefix, func(x wildcard, prefix string) int { return strings.Compare(x.prefix, prefix) })
		for ; i < len(w) && w[i].prefix == prefix; i++ {
			x := &w[i]
			if x.side == r.Side && x.effect == r.Effect && x.subject != r.Subject && Covers(x.subject, r.Subject) {
				return true
			}
		}
		if prefix == "" {
			return false
		}
		prefix = prefix[:strings.LastIndexByte(prefix[:len(prefix)-1], '.')+1]
	}
}

// literalPrefix returns the tokens before the first wildcard, each with its dot. It
// leaves out the last token of a subject without wildcards, because a rule that covers
// the subject has a wildcard there or before.
func literalPrefix(subject string) string {
	for start := 0; ; {
		dot := strings.IndexByte(subject[start:], '.')
		if dot < 0 {
			return subject[:start]
		}
		if token := subject[start : start+dot]; token == "*" || token == ">" {
			return subject[:start]
		}
		start += dot + 1
	}
}

func sameKind(a, b *Rule) bool { return a.Side == b.Side && a.Effect == b.Effect }
