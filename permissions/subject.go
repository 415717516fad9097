package permissions

import "strings"

// Covers reports whether every subject that s stands for is matched by pattern.
// Both may hold the wildcards "*" (one token) and ">" (one or more tokens at
// the end).
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

// Overlaps reports whether some subject is matched by both a and b.
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

// ValidSubject reports whether s is a subject, with wildcards or without.
func ValidSubject(s string) bool {
	if s == "" || strings.ContainsAny(s, " \t\r\n\x00") {
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
