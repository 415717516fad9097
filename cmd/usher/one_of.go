package main

import (
	"strings"
)

// oneOf lists what an option takes.
func oneOf[T ~string](values []T) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return strings.Join(texts, ", ")
}
