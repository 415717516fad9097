package bench

import (
	"fmt"
	"time"

	"usher/app/assembly"
	"usher/cmd/usher/cmdutil"
)

// Limits of one run.
const (
	maxClients  = 1_000_000
	maxConnects = 10_000_000 // the latency of each is kept in memory
	maxRate     = 100_000
	maxDuration = 24 * time.Hour

	defaultMaxInFlight = 5000
)

// spareFiles is the number of open files that the process needs besides its connections.
const spareFiles = 64

// checkOpenFiles reports whether the limit of open files is too low for the connections.
func checkOpenFiles(flag string, connections int) error {
	limit, ok := assembly.MaxOpenFiles()
	if need := uint64(connections) + spareFiles; ok && need > limit { //nolint:gosec // it is positive
		return cmdutil.UsageError(fmt.Sprintf("raise the limit: ulimit -n %d, or LimitNOFILE=%d in a systemd unit", need, need),
			"%s %d: the limit of open files is %d, but %d are needed", flag, connections, limit, need)
	}
	return nil
}
