// Package intern keeps one copy of each short list that many records have.
//
// It promises to compare with few lists. It never copies what a list holds.
package intern

import "slices"

// maxInterned limits the number of lists that each new list is compared with.
const maxInterned = 32

// Lists keeps one copy of each list that many records have, such as the roles of a
// member.
type Lists[T comparable] []*[]T

// List returns a list equal to list.
func (in *Lists[T]) List(list []T) []T {
	if len(list) == 0 {
		return list
	}
	return *in.Pointer(list)
}

// Pointer is List for callers that keep millions of lists: a pointer is a third
// of the size of a slice.
func (in *Lists[T]) Pointer(list []T) *[]T {
	for _, known := range *in {
		if len(list) > 0 && slices.Equal(*known, list) {
			return known
		}
	}
	own := slices.Clip(list)
	if len(list) > 0 && len(*in) < maxInterned {
		*in = append(*in, &own)
	}
	return &own
}
