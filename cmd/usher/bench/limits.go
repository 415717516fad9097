package bench

import (
	"fmt"
	"time"

	"usher/app/assembly"
	"usher/cmd/usher/cmdutil"
)

// What one process is asked to do at most.
const (
	maxBenchClients  = 1_000_000
	maxBenchConnects = 10_000_000 // each keeps its latency
	maxBenchRate     = 100_000
	maxBenchDuration = 24 * time.Hour

	defaultMaxInFlight = 5000
)

// spareFiles is what the process needs beside its connections.
const spareFiles = 64

// enoughFiles finds out beforehand whether so many connections can be open.
func enoughFiles(flag string, connections int) error {
	limit, ok := assembly.MaxOpenFiles()
	if need := uint64(connections) + spareFiles; ok && need > limit { //nolint:gosec // it is positive
		return cmdutil.UsageError(fmt.Sprintf("ulimit -n %d before it, or LimitNOFILE=%d in a unit of systemd", need, need),
			"%s %d: this process may open %d files, and needs %d", flag, connections, limit, need)
	}
	return nil
}
