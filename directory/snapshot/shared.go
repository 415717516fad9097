package snapshot

import "slices"

// maxShared bounds how many lists are compared with.
const maxShared = 32

// shared keeps one of each list that stands in many records.
type shared[T comparable] []*[]T

func (s *shared[T]) one(list []T) []T {
	if len(list) == 0 {
		return list
	}
	return *s.pointer(list)
}

// pointer is one for whoever keeps very many of them.
func (s *shared[T]) pointer(list []T) *[]T {
	for _, known := range *s {
		if len(list) > 0 && slices.Equal(*known, list) {
			return known
		}
	}
	own := slices.Clip(list)
	if len(list) > 0 && len(*s) < maxShared {
		*s = append(*s, &own)
	}
	return &own
}
