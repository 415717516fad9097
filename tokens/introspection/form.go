package introspection

import (
	"crypto/rand"
	"errors"
	"regexp"
	"strings"

	tokenform "usher/tokens/form"
)

// Form says which tokens are sent to the endpoint.
type Form struct {
	Prefix  string // with which every token of the authorization server begins; empty: none
	Pattern string // that every token matches as a whole (RE2); empty: none
	JWT     bool   // also tokens in the form of a JWT
}

// Lengths of tokens, in bytes. Without prefix and pattern, a shorter one may be the password
// of somebody.
const (
	minToken = 16
	maxToken = 16 << 10
)

// form is a checked Form.
type form struct {
	prefix   string
	pattern  *regexp.Regexp
	jwt      bool
	distinct bool // prefix or pattern tell the tokens from others
}

func (f Form) compile() (form, error) {
	out := form{prefix: f.Prefix, jwt: f.JWT, distinct: f.Prefix != "" || f.Pattern != ""}
	if strings.ContainsFunc(f.Prefix, notVisible) {
		return form{}, errors.New("prefix: a token consists of printable ASCII without spaces")
	}
	if f.Prefix != "" && tokenform.Own(f.Prefix) {
		return form{}, errors.New("prefix: usher sends its own tokens to nobody")
	}
	if f.Pattern != "" {
		if _, err := regexp.Compile(f.Pattern); err != nil { // by itself, so that a ) cannot leave the group below
			return form{}, errors.New("pattern: is not a regular expression (RE2)")
		}
		whole, err := regexp.Compile(`^(?:` + f.Pattern + `)$`)
		if err != nil {
			return form{}, errors.New("pattern: is too complex")
		}
		out.pattern = whole
	}
	return out, nil
}

// accepts reports whether the token may be sent to the endpoint.
func (f *form) accepts(token string) bool {
	switch {
	case token == "" || len(token) > maxToken:
		return false
	case !f.distinct && (len(token) < minToken || strings.ContainsFunc(strings.TrimRight(token, "="), notBearer)):
		return false
	case !strings.HasPrefix(token, f.prefix) || f.pattern != nil && !f.pattern.MatchString(token):
		return false
	case strings.ContainsFunc(token, notVisible): // RFC 6749 appendix A.12
		return false
	}
	return !tokenform.Own(token) && (f.jwt || !tokenform.IsJWT(token))
}

// notBearer reports whether a character is none of a bearer token, before any "=" (b64token
// of RFC 6750 section 2.1).
func notBearer(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return r != '-' && r != '.' && r != '_' && r != '~' && r != '+' && r != '/'
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// madeUpToken returns a token that no authorization server has issued.
func madeUpToken() string { return "made-up-" + rand.Text() }
