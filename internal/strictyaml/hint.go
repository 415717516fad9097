package strictyaml

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"usher/internal/nearest"
	"usher/internal/secret"
)

// maxQuotedKey is the longest key that a message shows whole, in characters.
const maxQuotedKey = 20

// shownKey returns what a message may say of a key that is not known: it may be
// an API key that slipped into one.
func shownKey(key string) string {
	if shown := secret.Quote(key); shown == secret.Hidden || utf8.RuneCountInString(key) > maxQuotedKey {
		if text, err := strconv.Unquote(shown); err == nil {
			return text
		}
		return secret.Hidden
	}
	return key
}

// Suggest returns `did you mean "x"?` for the word of known that is most like
// word, and otherwise the list of known words under label ("known keys").
func Suggest(word, label string, known []string) string {
	if best, ok := nearest.To(word, known); ok {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return label + ": " + strings.Join(known, ", ")
}
