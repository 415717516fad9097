// Package secret recognises the secrets of this field by their form, so that one in
// the wrong place of a file is neither taken for something else nor quoted in the
// message about it. Every text from outside passes through it on its way to the log,
// the audit, metrics, errors and answers.
//
// It promises that Quote, Name, Redact and Filter show nothing that they recognise:
// usher's API keys and health-check tokens, nkeys seeds, JWTs, and 64 hexadecimal
// digits, the form of AMS keys. Other passwords and keys have no form of their own:
// of a long text Quote and Name show only the beginning, and a Filter hides every
// part of the credential that came with the request.
package secret

import (
	"strconv"
	"strings"
)

// Hidden replaces a secret in a message.
const Hidden = "[looks like a secret]"

// Hint is the hint for a secret that was found in the wrong place.
const Hint = "replace that secret, since it stood in a file"

// Lengths, in characters.
const (
	truncated  = 12 // what Quote and Name show of a text that is too long
	maxName    = 40 // longest text that Name shows whole
	minCertain = 32 // shortest text with a known prefix that no name would have
	minSeed    = 50
	hexKey     = 64 // of an AMS key
	minJWT     = 16 // shortest beginning that is taken for a JWT
)

// Prefixes and alphabets of secrets.
const (
	prefixKey     = "usher_"
	prefixHealth  = "HEALTHCHECK-"
	prefixService = "USHERSERVICE-"
	prefixJWT     = "eyJ" // base64url of `{"`
	hexDigits     = "0123456789abcdefABCDEF"
	base32        = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// Suspect reports whether text begins as a secret does, leading white space aside:
// with usher_, HEALTHCHECK- or USHERSERVICE-, or as an nkeys seed. It may still be a name
// ("usher_events"), but it is not shown.
func Suspect(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, prefixKey) || strings.HasPrefix(text, prefixHealth) || strings.HasPrefix(text, prefixService) || isSeed(text)
}

// isSeed reports whether text begins with an nkeys seed: S, the letter of an
// operator, account, user, server, cluster or curve key, and base32.
func isSeed(text string) bool {
	if len(text) < minSeed || text[0] != 'S' || !strings.ContainsRune("OAUNCX", rune(text[1])) {
		return false
	}
	return strings.Trim(text[:minSeed], base32) == ""
}

// Detect reports whether text contains a secret that is too long to be a name. A
// name or path that contains one is refused.
func Detect(text string) bool {
	if len(text) < minCertain { // the quick answer for most names
		return false
	}
	found := false
	runs(text, func(run string, _ bool) { found = found || isCertain(run) })
	return found
}

// isCertain reports whether a secret that is too long to be a name begins anywhere
// in a run. A seed must not begin in the middle of base32, because a public key may
// contain the beginning of one by chance.
func isCertain(run string) bool {
	if len(run) < minCertain { // the quick answer for most texts
		return false
	}
	for _, prefix := range []string{prefixKey, prefixHealth, prefixService} {
		if at := strings.Index(run, prefix); at >= 0 && len(run)-at >= minCertain {
			return true
		}
	}
	for i := range len(run) {
		if isSeed(run[i:]) && (i == 0 || !strings.ContainsRune(base32, rune(run[i-1]))) {
			return true
		}
	}
	return false
}

// Quote returns text in quotes, cut to 12 characters; Hidden if anything in it looks
// like a secret.
func Quote(text string) string { return quote(text, truncated) }

// Name is Quote for names, which people have to find again: it cuts only a name of
// more than 40 characters.
func Name(text string) string { return quote(text, maxName) }

// quote cuts a text that is longer than limit characters.
func quote(text string, limit int) string {
	if hasSuspect(text) {
		return Hidden
	}
	n, cut := 0, len(text)
	for i := range text {
		if n == truncated {
			cut = i
		}
		if n == limit {
			return strconv.Quote(text[:cut] + "…")
		}
		n++
	}
	return strconv.Quote(text)
}

// Redact returns text with Hidden in place of everything that looks like a secret.
// It is for texts that are made elsewhere, such as errors.
func Redact(text string) string { return redact(text, isClean) }

// RedactDetected is Redact for texts with names that usher or its operators have
// given. A name may begin as a key does ("usher_events"), so RedactDetected hides
// only what is too long to be a name.
func RedactDetected(text string) string { return redact(text, isName) }

// redact replaces each run that keep refuses. After the first part of a JWT it also
// drops the parts that follow.
func redact(text string, keep func(run string) bool) string {
	if !hasSuspect(text) {
		return text
	}
	var b strings.Builder
	inJWT := false
	runs(text, func(part string, isRun bool) {
		switch {
		case isRun && inJWT: // its claims or its signature
		case isRun && keep(part):
			b.WriteString(part)
		case isRun:
			b.WriteString(Hidden)
			inJWT = strings.HasPrefix(part, prefixJWT)
		case inJWT && part == ".":
		default:
			inJWT = false
			b.WriteString(part)
		}
	})
	return b.String()
}

// hasSuspect reports whether anything in text looks like a secret.
func hasSuspect(text string) bool {
	found := false
	runs(text, func(run string, isRun bool) { found = found || isRun && !isClean(run) })
	return found
}

// isClean reports whether nothing in a run looks like a secret.
func isClean(run string) bool { return !Suspect(run) && isName(run) }

// isName reports whether a run contains nothing that only a secret would.
func isName(run string) bool {
	return !isCertain(run) && !isJWT(run) && !hasHexKey(run)
}

// isJWT reports whether a run begins as the header or the claims of a JWT do.
func isJWT(run string) bool { return len(run) >= minJWT && strings.HasPrefix(run, prefixJWT) }

// hasHexKey reports whether a run contains at least as many hexadecimal digits in a
// row as an AMS key has.
func hasHexKey(run string) bool {
	for start := 0; len(run)-start >= hexKey; {
		end := start
		for end < len(run) && strings.IndexByte(hexDigits, run[end]) >= 0 {
			end++
		}
		if end-start >= hexKey {
			return true
		}
		start = end + 1
	}
	return false
}

// AMSKeys calls yield with everything in text that has the form of an AMS key. Only
// a directory can tell whether it is one.
func AMSKeys(text string, yield func(key string)) {
	if len(text) < hexKey {
		return
	}
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return !strings.ContainsRune(hexDigits, r) }) {
		if len(run) == hexKey {
			yield(run)
		}
	}
}

// runs cuts text into the longest runs of characters that secrets are made of, and
// the parts between them, and calls yield with each in order.
func runs(text string, yield func(part string, isRun bool)) {
	for start := 0; start < len(text); {
		in := inAlphabet(text[start])
		end := start + 1
		for end < len(text) && inAlphabet(text[end]) == in {
			end++
		}
		yield(text[start:end], in)
		start = end
	}
}

// inAlphabet reports whether secrets are made of characters such as b.
func inAlphabet(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '-'
}
