package permissions

import (
	"net/netip"
	"slices"
	"strings"

	"usher/directory"
)

// Lost compares what a connection was granted with what it would be granted now. lost is
// false only if after admits all that before does; what names one thing that it does not.
//
// The comparison is exact for accounts, subjects, networks and connection types. A template
// of a scoped signing key can allow by tags, so for a grant with a scope a tag that is missing
// counts as a loss, and one more does not: else whoever adds somebody to a project would close
// the sessions of others. An end (NotAfter) that has moved is not one. The inbox prefix counts
// through its subjects.
func Lost(before, after *Grant) (what string, lost bool) {
	switch {
	case before.Account != after.Account:
		return "account " + before.Account, true
	case before.Scope != after.Scope && before.Scope != "":
		return "scope " + before.Scope, true
	case before.Scope != after.Scope:
		return "permissions outside of scope " + after.Scope, true
	}
	if missing := without(before.Tags, after.Tags); before.Scope != "" && len(missing) > 0 {
		return "tag " + missing[0] + " of the template of scope " + before.Scope, true
	}
	for _, t := range before.usedTypes() {
		if !slices.Contains(after.types(), t) {
			return "connection type " + string(t), true
		}
	}
	if p, lost := lostNetwork(before.Networks, after.Networks); lost {
		return "network " + p.String(), true
	}
	for _, side := range Sides() {
		if subject, lost := lostSubject(side, sideOf(before, side), sideOf(after, side)); lost {
			return string(side) + " " + subject, true
		}
	}
	return "", false
}

// Gained is the opposite of Lost: gained is false only if before admits all that after does.
func Gained(before, after *Grant) (what string, gained bool) {
	return Lost(after, before)
}

// usedTypes returns the connection types of g that its connection may have; without a
// connection all of them.
func (g *Grant) usedTypes() []directory.ConnectionType {
	if g.Connection.Types == nil {
		return g.types()
	}
	var used []directory.ConnectionType
	for _, t := range g.types() {
		if slices.Contains(g.Connection.Types, string(t)) {
			used = append(used, t)
		}
	}
	return used
}

// sideRules are the subjects of one side of a grant.
type sideRules struct{ allow, deny []string }

func sideOf(g *Grant, side Side) sideRules {
	return sideRules{g.Subjects(side, Allow), g.Subjects(side, Deny)}
}

// lostSubject returns subjects that before admits and after does not.
//
// A subscription that ends in ">" is admitted if the same one with "*" is, and a "*" in it
// counts as a token that no rule names. So what holds for subjects holds for subscriptions,
// but for the messages that a denial withholds from a wider subscription (reach).
func lostSubject(side Side, before, after sideRules) (string, bool) {
	missing := without(before.allow, after.allow)
	denials := without(after.deny, before.deny)
	if len(missing) == 0 && len(denials) == 0 {
		return "", false
	}
	kept := slices.Concat(after.allow, before.deny) // what after allows, and what before did not have
	for _, a := range missing {
		if rest, ok := uncovered(a, kept); ok {
			return rest, true
		}
	}
	for _, a := range before.allow {
		if len(denials) == 0 || coveredByOne(a, before.deny) {
			continue
		}
		for _, d := range denials {
			both, ok := intersect(reach(side, a), d)
			if !ok {
				continue
			}
			if rest, ok := uncovered(both, before.deny); ok {
				return rest, true
			}
		}
	}
	return "", false
}

// without returns the elements of list that are not in other.
func without(list, other []string) []string {
	has := make(map[string]bool, len(other))
	for _, s := range other {
		has[s] = true
	}
	var out []string
	for _, s := range list {
		if !has[s] {
			out = append(out, s)
		}
	}
	return out
}

// uncovered returns a part of subject that the patterns do not cover together, if there is
// one. It is exact. A subject whose wildcards stand for tokens that no pattern names is
// covered by all patterns together only if one covers it. For a ">" that holds for each
// number of tokens; one more than the longest pattern has stands for all larger numbers.
func uncovered(subject string, patterns []string) (string, bool) {
	if coveredByOne(subject, patterns) {
		return "", false
	}
	part, open := strings.CutSuffix(subject, ">")
	if !open {
		return subject, true
	}
	longest := tokens(subject)
	for _, p := range patterns {
		longest = max(longest, tokens(p))
	}
	for n := tokens(subject); n <= longest+1; n++ {
		part += "*"
		if !coveredByOne(part, patterns) {
			return part, true
		}
		part += "."
	}
	return "", false
}

func tokens(subject string) int { return strings.Count(subject, ".") + 1 }

func coveredByOne(subject string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Covers(p, subject) })
}

// intersect returns the pattern of the subjects that a and b have in common.
func intersect(a, b string) (string, bool) {
	var out []string
	for {
		ta, resta, morea := strings.Cut(a, ".")
		tb, restb, moreb := strings.Cut(b, ".")
		switch {
		case ta == ">":
			return strings.Join(append(out, b), "."), true
		case tb == ">":
			return strings.Join(append(out, a), "."), true
		case ta == "*":
			out = append(out, tb)
		case tb == "*" || ta == tb:
			out = append(out, ta)
		default:
			return "", false
		}
		if !morea || !moreb {
			return strings.Join(out, "."), morea == moreb
		}
		a, b = resta, restb
	}
}

// lostNetwork returns a network of before that is not in those of after. No networks are all.
func lostNetwork(before, after []netip.Prefix) (netip.Prefix, bool) {
	if len(after) == 0 {
		return netip.Prefix{}, false
	}
	if len(before) == 0 {
		before = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	for _, p := range before {
		if !coversNetwork(after, p.Masked()) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// coversNetwork reports whether the networks together have every address of p.
func coversNetwork(networks []netip.Prefix, p netip.Prefix) bool {
	var inside []netip.Prefix
	for _, n := range networks {
		switch {
		case !n.Overlaps(p):
		case n.Bits() <= p.Bits():
			return true
		default:
			inside = append(inside, n)
		}
	}
	if len(inside) < 2 {
		return false
	}
	low, high := halves(p)
	return coversNetwork(inside, low) && coversNetwork(inside, high)
}

// halves returns the two networks that p consists of.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bytes, bits := p.Addr().AsSlice(), p.Bits()
	bytes[bits/8] |= 1 << (7 - bits%8)
	addr, _ := netip.AddrFromSlice(bytes) // as long as it was
	return netip.PrefixFrom(p.Addr(), bits+1), netip.PrefixFrom(addr, bits+1)
}
