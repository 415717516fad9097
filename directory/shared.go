package directory

import "slices"

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
