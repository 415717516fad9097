package cmdutil

import (
	"strings"
)

// OneOf lists what an option takes.
func OneOf[T ~string](values []T) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return strings.Join(texts, ", ")
}
