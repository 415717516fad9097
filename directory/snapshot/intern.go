package snapshot

import "slices"

// maxInterned limits the number of lists that each new list is compared with.
const maxInterned = 32

// interner keeps one copy of each list that many records have, such as the roles of a
// member.
type interner[T comparable] []*[]T

// intern returns a list equal to list.
func (in *interner[T]) intern(list []T) []T {
	if len(list) == 0 {
		return list
	}
	return *in.internPointer(list)
}

// internPointer is intern for callers that keep millions of lists: a pointer is a third
// of the size of a slice.
func (in *interner[T]) internPointer(list []T) *[]T {
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
