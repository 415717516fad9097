// Package shellword quotes words for commands that users paste into a POSIX shell.
package shellword

import (
	"strings"
	"unicode"

	"usher/internal/secret"
)

// Quote returns a path as one word of a shell command. It redacts a path that looks like a
// secret.
func Quote(path string) string {
	path = secret.RedactDetected(path) // a key instead of its file
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(`/\:._-+@%,=`, r)
	}
	if strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
