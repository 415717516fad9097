package permissions

import (
	"cmp"
	"slices"
)

// authSubject is where nats-server asks about connections. Whoever may publish
// there could pose as a server, whoever may subscribe reads every credential.
const authSubject = "$SYS.REQ.USER.AUTH"

// builder gathers the rules of one grant.
type builder struct{ rules []Rule }

func (b *builder) allow(side Side, subject string, o Origin) {
	b.rules = append(b.rules, Rule{Side: side, Effect: Allow, Subject: subject, Origin: o})
}

func (b *builder) both(subject string, o Origin) {
	b.allow(Publish, subject, o)
	b.allow(Subscribe, subject, o)
}

// finish sorts the rules, drops what another rule covers, and states both sides.
func (b *builder) finish() []Rule {
	for _, side := range Sides() {
		b.close(side)
	}
	slices.SortStableFunc(b.rules, func(x, y Rule) int {
		if c := cmp.Compare(x.Side, y.Side); c != 0 {
			return c
		}
		if c := cmp.Compare(x.Effect, y.Effect); c != 0 {
			return c
		}
		return cmp.Compare(x.Subject, y.Subject)
	})
	return collapse(b.rules)
}

// close adds what holds for every grant: an empty side is denied, and the auth
// subject is, wherever an allowance reaches it.
func (b *builder) close(side Side) {
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

// collapse drops every rule that a wildcard of the same side and effect covers,
// and repeats. It never widens: the wildcard was granted anyway.
func collapse(sorted []Rule) []Rule {
	var wild []Rule
	for i := range sorted {
		if HasWildcard(sorted[i].Subject) {
			wild = append(wild, sorted[i])
		}
	}
	kept := sorted[:0]
	for i := range sorted {
		r := sorted[i]
		if n := len(kept); n > 0 && same(&kept[n-1], &r) && kept[n-1].Subject == r.Subject {
			continue
		}
		covered := slices.ContainsFunc(wild, func(w Rule) bool {
			return same(&w, &r) && w.Subject != r.Subject && Covers(w.Subject, r.Subject)
		})
		if !covered {
			kept = append(kept, r)
		}
	}
	return slices.Clip(kept)
}

func same(a, b *Rule) bool { return a.Side == b.Side && a.Effect == b.Effect }
