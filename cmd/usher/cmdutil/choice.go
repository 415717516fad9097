package cmdutil

import (
	"slices"
	"strings"

	"usher/internal/nearest"

	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// JoinValues lists the values that an option accepts, for its help.
func JoinValues[T ~string](values []T) string {
	return strings.Join(texts(values), ", ")
}

// CheckValues reports a value that is not one of those that an option accepts, and
// suggests the nearest one.
func CheckValues[T ~string](option string, given []string, accepted []T) error {
	known := texts(accepted)
	for _, value := range given {
		if !slices.Contains(known, value) {
			return UsageError(strictyaml.Suggest(value, "values", known), "%s: unknown value %s", option, secret.Quote(value))
		}
	}
	return nil
}

// CheckSpelling reports a value that is probably a misspelling of one that is known. It
// accepts other unknown values: the server may be newer than this command.
func CheckSpelling[T ~string](option string, given []string, known []T) error {
	words := texts(known)
	for _, value := range given {
		if _, near := nearest.To(value, words); near && !slices.Contains(words, value) {
			return CheckValues(option, []string{value}, known)
		}
	}
	return nil
}

func texts[T ~string](values []T) []string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return texts
}
