package strictyaml

import (
	"strconv"
	"strings"
)

// Longest pieces of a document that a message quotes, in characters. Keys are
// cut shorter, so that an API key that slipped into one is not given away.
const (
	maxQuotedValue = 40
	maxQuotedKey   = 20
)

// clip cuts s to limit characters.
func clip(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// quote returns the value s quoted, cut to what a message may say.
func quote(s string) string { return strconv.Quote(clip(s, maxQuotedValue)) }

// Suggest returns `did you mean "x"?` for the word of known that is most like
// word, and otherwise the list of known words under label ("known keys").
func Suggest(word, label string, known []string) string {
	best, bestAt := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k), bestAt); d < bestAt {
			best, bestAt = k, d
		}
	}
	if best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return label + ": " + strings.Join(known, ", ")
}

// distance is the number of characters to insert, delete, replace or swap with
// their neighbour to make b of a; limit stands for every number from limit on.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
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
