// Package nearest finds the known word that somebody may have meant.
//
// It promises to suggest only a word that differs in a third of its characters
// at most, and nothing that looks like a secret. It keeps nothing.
package nearest

import (
	"strings"

	"usher/internal/secret"
)

// maxWord is the longest word that anything is suggested for, in bytes: the time
// that a comparison takes grows with the square of it.
const maxWord = 128

// To returns the word of known that is most like word, whatever their case, the
// first of several; false if none is like it.
func To(word string, known []string) (string, bool) {
	if len(word) > maxWord {
		return "", false
	}
	from := []rune(strings.ToLower(word))
	best, bestAt := "", max(1, len(word)/3)+1
	for _, k := range known {
		// A character has up to 4 bytes: what is further off is not worth a look.
		if len(k) > 4*(len(from)+bestAt) || secret.Looks(k) {
			continue
		}
		if d := distance(from, []rune(strings.ToLower(k)), bestAt); d < bestAt {
			best, bestAt = k, d
		}
	}
	return best, best != ""
}

// distance is the number of characters to insert, delete, replace or swap with
// their neighbour to make y of x; limit stands for every number from limit on.
func distance(x, y []rune, limit int) int {
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return min(rows[len(x)][len(y)], limit)
}
