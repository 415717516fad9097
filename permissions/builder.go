package permissions

import (
	"cmp"
	"slices"
	"strings"
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
	slices.SortStableFunc(b.rules, inOrder)
	return collapse(b.rules)
}

func inOrder(x, y Rule) int {
	return cmp.Or(cmp.Compare(x.Side, y.Side), cmp.Compare(x.Effect, y.Effect), cmp.Compare(x.Subject, y.Subject))
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
	wild := wildcardsOf(sorted)
	kept := sorted[:0]
	for i := range sorted {
		r := sorted[i]
		if n := len(kept); n > 0 && same(&kept[n-1], &r) && kept[n-1].Subject == r.Subject {
			continue
		}
		if !wild.cover(&r) {
			kept = append(kept, r)
		}
	}
	return slices.Clip(kept)
}

// wildcards are the rules with wildcards, by what stands before the first one. A
// subject is covered by those only that begin as it does, so of thousands it has
// to be compared with a few.
type wildcards map[string][]Rule

func wildcardsOf(rules []Rule) wildcards {
	w := wildcards{}
	for i := range rules {
		if subject := rules[i].Subject; HasWildcard(subject) {
			start := literal(subject)
			w[start] = append(w[start], rules[i])
		}
	}
	return w
}

// cover reports whether another rule than r covers all of it.
func (w wildcards) cover(r *Rule) bool {
	if len(w) == 0 {
		return false
	}
	start := literal(r.Subject)
	for {
		if slices.ContainsFunc(w[start], func(x Rule) bool {
			return same(&x, r) && x.Subject != r.Subject && Covers(x.Subject, r.Subject)
		}) {
			return true
		}
		if start == "" {
			return false
		}
		start = start[:strings.LastIndexByte(start[:len(start)-1], '.')+1]
	}
}

// literal returns the tokens before the first wildcard, each with its dot. The
// last token of a subject without wildcards is left out: what covers it has a
// wildcard in its place or before.
func literal(subject string) string {
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

func same(a, b *Rule) bool { return a.Side == b.Side && a.Effect == b.Effect }
