// Package shellword quotes words for a shell.
package shellword

import (
	"strings"
	"unicode"

	"usher/internal/secret"
)

// Quote returns a path as one word of a command to paste.
func Quote(path string) string {
	path = secret.RedactDetected(path) // it may be a key that was put in the wrong place
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(`/\:._-+@%,=`, r)
	}
	if strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
