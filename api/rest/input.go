package rest

import (
	"errors"

	"usher/internal/secret"
)

// maxText is how long a text about a user or a project may be, in bytes.
const maxText = 4096

// ErrText: a text is too long, or looks like a secret.
var ErrText = errors.New("a text is too long, or looks like a secret")

// ErrOtherName: the body of a request that creates a resource names another one.
var ErrOtherName = errors.New("name: differs from the name in the path")

// CheckTexts checks texts that the directory keeps; nil: the request does not set it.
func CheckTexts(texts ...*string) error {
	for _, text := range texts {
		if text != nil && (len(*text) > maxText || secret.Detect(*text)) {
			return ErrText
		}
	}
	return nil
}

// Strings converts a list to one that is never null in JSON.
func Strings[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// Pointers returns pointers to the elements of a list.
func Pointers[T any](all []T) []*T {
	out := make([]*T, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}

// Set changes a value if the request sets it.
func Set[T any](value, wanted *T) {
	if wanted != nil {
		*value = *wanted
	}
}

// Repeated returns the first value that occurs twice in a list.
func Repeated[T comparable](values []T) (first T, ok bool) {
	seen := make(map[T]bool, len(values))
	for _, v := range values {
		if seen[v] {
			return v, true
		}
		seen[v] = true
	}
	return first, false
}
