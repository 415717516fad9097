package bundle

import (
	"regexp"

	"usher/internal/secret"
)

// named is a word that ends in the name of a secret, as in auth_token and clientSecret.
const named = `[a-z0-9_.-]*(?:api[-_]?key|passwd|password|pass|secret|token)`

// places are where a secret of any form stands, whatever it looks like: the first group stays,
// and the second one if there is one. Prose such as "verify token: expired" is no such place.
var places = []*regexp.Regexp{
	// user:password@ or token@ in a URL
	regexp.MustCompile(`(://(?:[^/\s@:"]*:)?)[^/\s@"]+(@)`),
	// a header with a credential
	regexp.MustCompile(`(?i)(\b(?:bearer|basic) )[a-z0-9._~+/=-]{8,}()`),
	regexp.MustCompile(`(?i)(\b(?:x-api-key|api-?key|passwd|password): )[^\s"&,;}]+()`),
	regexp.MustCompile(`(?i)(\bcookie: )[^\r\n"]+()`),
	// a parameter, and an option of a command
	regexp.MustCompile(`(?i)((?:\bkey|` + named + `)=)[^\s"'&,;}]+()`),
	regexp.MustCompile(`(?i)(--?` + named + ` )[^\s"']+()`),
	// quoted, in JSON (also in a text in JSON) or in nats-server.conf
	regexp.MustCompile(`(?i)("key": ?")[^\s"&,;}]+()`),
	regexp.MustCompile(`(?i)(` + named + `\\*["']?\s*[:=]?\s*\\*["'])[^"'\\\s:,;})\]=][^"'\\\n]*()`),
	// not quoted, in nats-server.conf or YAML
	regexp.MustCompile(`(?im)((?:^|[{,])\s*` + named + `\s*[:=]\s*)[^\s"'\\,;{}]+()`),
}

func hidePlaces(text string) string {
	for _, p := range places {
		text = p.ReplaceAllString(text, "${1}"+secret.Hidden+"${2}")
	}
	return text
}
