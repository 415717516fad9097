// Package nearest suggests the known word that a mistyped one was meant to be.
//
// It promises to suggest only a word that differs in at most a third of its
// characters, and never one that looks like a secret. It keeps no state.
package nearest

import (
	"strings"
	"unicode/utf8"

	"github.com/hbollon/go-edlib"

	"usher/internal/secret"
)

// maxWord is the longest word that gets a suggestion, in bytes: the time of a
// comparison grows with the square of the length.
const maxWord = 128

// To returns the word of known that is closest to word by edit distance, where
// a swap of two neighbours is one edit and case does not count. Of several equally
// close words it returns the first; ok is false if no word is close enough.
func To(word string, known []string) (closest string, ok bool) {
	if len(word) > maxWord {
		return "", false
	}
	lower := strings.ToLower(word)
	length := utf8.RuneCountInString(lower)
	limit := max(1, len(word)/3) + 1
	for _, k := range known {
		// The lengths alone tell that most words are too far off.
		if d := utf8.RuneCountInString(k) - length; k == "" || d >= limit || -d >= limit || secret.Suspect(k) {
			continue
		}
		if d := edlib.OSADamerauLevenshteinDistance(lower, strings.ToLower(k)); d < limit {
			closest, limit = k, d
		}
	}
	return closest, closest != ""
}
