package permissions

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Covers reports whether pattern matches every subject that s matches. Both may have
// the wildcards "*" (one token) and ">" (one or more tokens at the end).
func Covers(pattern, s string) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, ".")
		t, srest, smore := strings.Cut(s, ".")
		switch {
		case p == ">":
			return true
		case t == ">":
			return false
		case p != "*" && p != t:
			return false
		case pmore != smore:
			return false
		case !pmore:
			return true
		}
		pattern, s = prest, srest
	}
}

// Overlaps reports whether there is a subject that both a and b match.
func Overlaps(a, b string) bool {
	for {
		ta, arest, amore := strings.Cut(a, ".")
		tb, brest, bmore := strings.Cut(b, ".")
		switch {
		case ta == ">" || tb == ">":
			return true
		case ta != tb && ta != "*" && tb != "*":
			return false
		case amore != bmore:
			return false
		case !amore:
			return true
		}
		a, b = arest, brest
	}
}

// admits reports whether nats-server applies a rule for pattern to all of s. It looks up
// a subscription as if it were a subject, so a "*" at the end of the rule also matches
// ">" (observed with 2.15; server_test.go).
func admits(side Side, pattern, s string) bool {
	if Covers(pattern, s) {
		return true
	}
	head, full := strings.CutSuffix(s, ">")
	return side == Subscribe && full && Covers(pattern, head+"*")
}

// reach returns the subjects that a client can reach with an allowance for pattern.
func reach(side Side, pattern string) string {
	if head, ok := strings.CutSuffix(pattern, "*"); ok && side == Subscribe && (head == "" || head[len(head)-1] == '.') {
		return head + ">"
	}
	return pattern
}

// HasWildcard reports whether a token of s is "*" or ">".
func HasWildcard(s string) bool {
	if !strings.ContainsAny(s, "*>") {
		return false
	}
	for token := range strings.SplitSeq(s, ".") {
		if token == "*" || token == ">" {
			return true
		}
	}
	return false
}

// ValidSubject reports whether s is a subject, with or without wildcards. White space is
// not valid, because nats-server splits a subscribe rule there into subject and queue
// group. Invalid UTF-8 is not valid either, because a JWT would change it.
func ValidSubject(s string) bool {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, invalidRune) {
		return false
	}
	rest, more := s, true
	for more {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if token == "" || token == ">" && more {
			return false
		}
	}
	return true
}

func invalidRune(r rune) bool { return r == 0 || unicode.IsSpace(r) }
