package directory

import (
	"slices"
	"strings"
)

// text makes one string of many, so that they lie side by side.
type text struct {
	all   strings.Builder
	parts []*string
}

func (t *text) add(s *string) {
	t.all.WriteString(*s)
	t.parts = append(t.parts, s)
}

// cut makes all that were added parts of one string, and begins another.
func (t *text) cut() {
	rest := t.all.String()
	for _, s := range t.parts {
		*s, rest = rest[:len(*s)], rest[len(*s):]
	}
	t.all.Reset()
	t.parts = t.parts[:0]
}

// maxShared bounds how many lists are compared with.
const maxShared = 32

// shared keeps one of each list that stands in many records.
type shared[T comparable] [][]T

func (s *shared[T]) one(list []T) []T {
	if len(list) == 0 {
		return list
	}
	for _, known := range *s {
		if slices.Equal(known, list) {
			return known
		}
	}
	if len(*s) < maxShared {
		*s = append(*s, slices.Clip(list))
	}
	return list
}
