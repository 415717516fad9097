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

// displayKey returns what a message may show of an unknown key: it may be an API
// key that was pasted in the wrong place.
func displayKey(key string) string {
	if shown := secret.Quote(key); shown == secret.Hidden || utf8.RuneCountInString(key) > maxQuotedKey {
		if text, err := strconv.Unquote(shown); err == nil {
			return text
		}
		return secret.Hidden
	}
	return key
}

// Suggest returns `did you mean "x"?` for the known word that word was probably
// meant to be, and otherwise the list of known words under label ("known keys").
func Suggest(word, label string, known []string) string {
	if meant, ok := closest(word, known); ok {
		return "did you mean " + strconv.Quote(meant) + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return label + ": " + strings.Join(known, ", ")
}

// closest returns the known word that word was probably meant to be: the nearest
// by edit distance, or the only one that continues it after an underscore, as
// password_file continues password.
func closest(word string, known []string) (string, bool) {
	if meant, ok := nearest.To(word, known); ok {
		return meant, true
	}
	meant, n := "", 0
	for _, k := range known {
		if strings.HasPrefix(k, word+"_") && word != "" && !secret.Suspect(k) {
			meant, n = k, n+1
		}
	}
	return meant, n == 1
}
