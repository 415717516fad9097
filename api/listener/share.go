package listener

import (
	"errors"
	"fmt"
)

// minConnections is how many connections a listener needs to be useful.
const minConnections = 8

// ErrFewFiles: the limit on open files is too low for the listeners and everything else.
var ErrFewFiles = errors.New("the limit on open files is too low")

// Share divides file descriptors among listeners. limit is how many files the process may
// open, reserved how many it needs for everything else, and wanted how many connections
// each listener should have. Share returns wanted if the rest is enough; otherwise each
// listener gets its minimum, and a part of the rest in proportion to what it wants. The
// error is ErrFewFiles.
func Share(limit, reserved uint64, wanted ...int) ([]int, error) {
	var total, minimum uint64
	for _, w := range wanted {
		total += uint64(w)                        //nolint:gosec // a number of connections
		minimum += uint64(min(w, minConnections)) //nolint:gosec // a number of connections
	}
	if limit < reserved+minimum {
		return nil, fmt.Errorf("%w: it is %d; usher needs %d, of which NATS and files need %d", ErrFewFiles, limit, reserved+minimum, reserved)
	}
	shares := make([]int, len(wanted))
	left := limit - reserved
	for i, w := range wanted {
		shares[i] = w
		if left < total {
			extra := uint64(w-min(w, minConnections)) * (left - minimum) / (total - minimum) //nolint:gosec // not negative
			shares[i] = min(w, minConnections) + int(extra)                                  //nolint:gosec // less than w
		}
	}
	return shares, nil
}
