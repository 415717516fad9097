package listener

import (
	"errors"
	"fmt"
)

// fewest is how many connections a listener needs to be of use.
const fewest = 8

// ErrFewFiles: the process may not open enough files for its listeners beside what
// it needs for everything else.
var ErrFewFiles = errors.New("too few files may be open")

// Share returns how many connections each listener may hold: as many as it wants,
// or its part of what is left of the descriptors once those that are needed for
// everything else are set aside. limit is how many files the process may open. The
// error is ErrFewFiles.
func Share(limit, reserved uint64, want ...int) ([]int, error) {
	var all, least uint64
	for _, w := range want {
		all += uint64(w)                //nolint:gosec // a number of connections
		least += uint64(min(w, fewest)) //nolint:gosec // the same
	}
	if limit < reserved+least {
		return nil, fmt.Errorf("%w: %d, and %d are needed, %d of them for NATS and for files", ErrFewFiles, limit, reserved+least, reserved)
	}
	got := make([]int, len(want))
	left := limit - reserved
	for i, w := range want {
		got[i] = w
		if left < all {
			// What each needs at least, and its part of the rest.
			part := uint64(w-min(w, fewest)) * (left - least) / (all - least) //nolint:gosec // not negative
			got[i] = min(w, fewest) + int(part)                               //nolint:gosec // less than w
		}
	}
	return got, nil
}
