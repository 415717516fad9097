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
	kept := sorted[:0]
	for i := range sorted {
		r := sorted[i]
		if n := len(kept); n > 0 && sameKind(&kept[n-1], &r) && kept[n-1].Subject == r.Subject {
			continue
		}
		if !wildcards.covers(&r) {
			kept = append(kept, r)
		}
	}
	return slices.Clip(kept)
}

// wildcardIndex holds the rules with wildcards by their literal prefix. Only rules with
// a prefix of a subject can cover it, so it is compared with a few of thousands.
type wildcardIndex map[string][]Rule

func wildcardIndexOf(rules []Rule) wildcardIndex {
	w := wildcardIndex{}
	for i := range rules {
		if subject := rules[i].Subject; HasWildcard(subject) {
			prefix := literalPrefix(subject)
			w[prefix] = append(w[prefix], rules[i])
		}
	}
	return w
}

// covers reports whether another rule covers all of r.
func (w wildcardIndex) covers(r *Rule) bool {
	if len(w) == 0 {
		return false
	}
	prefix := literalPrefix(r.Subject)
	for {
		if slices.ContainsFunc(w[prefix], func(x Rule) bool {
			return sameKind(&x, r) && x.Subject != r.Subject && Covers(x.Subject, r.Subject)
		}) {
			return true
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
