// Package secret knows what secrets of this field look like, so that one that
// was put in the wrong place of a file is neither taken for something else nor
// given away by the message about it. It is the one way of every text from
// outside to log, audit, metrics, errors and answers.
//
// It promises that Quote, Name, Redact and Filter show nothing of what it
// recognises: API keys and health-check tokens of usher, nkeys seeds, JWTs, and 64
// hexadecimal digits, as the keys of AMS are. Passwords and keys from elsewhere look
// like anything: of a long text Quote and Name show only the beginning, and a Filter
// is told what was presented in the request, and hides every part of that.
package secret

import (
	"strconv"
	"strings"
)

// Hidden stands in a message for what must not stand there.
const Hidden = "[looks like a secret]"

// Hint is the way out for a secret that was found in the wrong place.
const Hint = "replace that secret, since it stood in a file"

// Sizes, in characters.
const (
	shown    = 12 // of a text that is cut
	nameable = 40 // longest name that is shown whole
	sure     = 32 // shortest text that only a secret would be, given its prefix
	seed     = 50 // shortest seed
	hexKey   = 64 // digits of a key of AMS
	jwtPart  = 16 // shortest beginning of a JWT
)

// How secrets begin, and what seeds are made of.
const (
	prefixKey    = "usher_"
	prefixHealth = "HEALTHCHECK-"
	prefixJWT    = "eyJ" // base64url of `{"`
	hexDigits    = "0123456789abcdefABCDEF"
	base32       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// Looks reports whether text begins, white space aside, as a secret does: with
// usher_ or HEALTHCHECK-, or as an nkeys seed. What looks like one is not shown,
// but may be the name of something ("usher_events").
func Looks(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, prefixKey) || strings.HasPrefix(text, prefixHealth) || isSeed(text)
}

// isSeed reports whether text begins with an nkeys seed: S, the letter of an
// operator, account, user, server, cluster or curve key, and base32.
func isSeed(text string) bool {
	if len(text) < seed || text[0] != 'S' || !strings.ContainsRune("OAUNCX", rune(text[1])) {
		return false
	}
	return strings.Trim(text[:seed], base32) == ""
}

// Holds reports whether a secret stands somewhere in text, of a length that no
// name has. What holds one is refused as a name or as a path.
func Holds(text string) bool {
	if len(text) < sure { // most names are, of very many
		return false
	}
	found := false
	runs(text, func(run string, _ bool) { found = found || inside(run) })
	return found
}

// inside reports whether a secret of a length that no name has begins anywhere in
// a run. A seed does not begin in the middle of base32: public keys would hold one
// now and then.
func inside(run string) bool {
	for _, prefix := range []string{prefixKey, prefixHealth} {
		if at := strings.Index(run, prefix); at >= 0 && len(run)-at >= sure {
			return true
		}
	}
	for i := range len(run) {
		if (i == 0 || !strings.ContainsRune(base32, rune(run[i-1]))) && isSeed(run[i:]) {
			return true
		}
	}
	return false
}

// Quote returns text in quotes, cut to 12 characters; Hidden if there is
// anything in it that looks like a secret.
func Quote(text string) string { return quote(text, shown) }

// Name is Quote for names, which people have to find again: one of up to 40
// characters is not cut.
func Name(text string) string { return quote(text, nameable) }

// quote shows what is longer than limit only in part.
func quote(text string, limit int) string {
	if looksInside(text) {
		return Hidden
	}
	n, cut := 0, len(text)
	for i := range text {
		if n == shown {
			cut = i
		}
		if n == limit {
			return strconv.Quote(text[:cut] + "…")
		}
		n++
	}
	return strconv.Quote(text)
}

// Redact returns text with Hidden in place of everything in it that looks like
// a secret. It is for texts that are made elsewhere, such as errors.
func Redact(text string) string { return redact(text, showable) }

// RedactSure is Redact for texts that name what usher and its operators have named:
// a name may begin as a key does ("usher_events"), and is shown unless it is of a
// length that only a secret has.
func RedactSure(text string) string { return redact(text, nameableRun) }

func redact(text string, showable func(run string) bool) string {
	if !looksInside(text) {
		return text
	}
	var b strings.Builder
	var jwt bool // what stands before is part of a JWT
	runs(text, func(part string, isRun bool) {
		switch {
		case isRun && jwt: // its claims, or its signature
		case isRun && showable(part):
			b.WriteString(part)
		case isRun:
			b.WriteString(Hidden)
			jwt = strings.HasPrefix(part, prefixJWT)
		case jwt && part == ".":
		default:
			jwt = false
			b.WriteString(part)
		}
	})
	return b.String()
}

func looksInside(text string) bool {
	found := false
	runs(text, func(run string, isRun bool) { found = found || isRun && !showable(run) })
	return found
}

// showable reports whether there is nothing in a run that looks like a secret.
func showable(run string) bool {
	return !Looks(run) && !inside(run) && !isJWT(run) && hexIn(run) == ""
}

// nameableRun reports whether there is nothing in a run that only a secret would be.
func nameableRun(run string) bool {
	return !inside(run) && !isJWT(run) && hexIn(run) == ""
}

// isJWT reports whether a run begins as the header of a JWT does, or its claims.
func isJWT(run string) bool { return len(run) >= jwtPart && strings.HasPrefix(run, prefixJWT) }

// hexIn returns the first hexadecimal digits in a run that are as many as those of a
// key of AMS, or more.
func hexIn(run string) string {
	for start := 0; len(run)-start >= hexKey; {
		end := start
		for end < len(run) && strings.IndexByte(hexDigits, run[end]) >= 0 {
			end++
		}
		if end-start >= hexKey {
			return run[start:end]
		}
		start = end + 1
	}
	return ""
}

// ForeignKeys calls one with everything in text that looks like a key of AMS. What
// does may be something else: only a directory knows.
func ForeignKeys(text string, one func(key string)) {
	if len(text) < hexKey {
		return
	}
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return !strings.ContainsRune(hexDigits, r) }) {
		if len(run) == hexKey {
			one(run)
		}
	}
}

// runs cuts text into runs, as long as they can be, of the characters that
// secrets are made of, and what stands between them.
func runs(text string, one func(part string, isRun bool)) {
	for start := 0; start < len(text); {
		in := isPart(text[start])
		end := start + 1
		for end < len(text) && isPart(text[end]) == in {
			end++
		}
		one(text[start:end], in)
		start = end
	}
}

func isPart(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '-'
}
