package cmdutil

import (
	"slices"
	"strings"

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

func texts[T ~string](values []T) []string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return texts
}
