package checkup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"usher/app/checkup/finding"
)

// natsRelease is a release of nats-server: major, minor, patch.
type natsRelease [3]int

func (r natsRelease) String() string { return fmt.Sprintf("%d.%d.%d", r[0], r[1], r[2]) }

// parseRelease reads the version that a server states; false: it is no release, as
// somebody's own build may be.
func parseRelease(version string) (natsRelease, bool) {
	version, _, _ = strings.Cut(version, "-")
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	var r natsRelease
	if len(parts) != len(r) {
		return r, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return r, false
		}
		r[i] = n
	}
	return r, true
}

// has reports whether a release has what came with the releases since: the last of
// them, or an earlier one of the same line.
func (r natsRelease) has(since []natsRelease) bool {
	for i, s := range since {
		if (i == len(since)-1 || slices.Equal(r[:2], s[:2])) && slices.Compare(r[:], s[:]) >= 0 {
			return true
		}
	}
	return false
}

// firstBuckets is the first release that changes several entries of a bucket as a whole.
var firstBuckets = []natsRelease{{2, 12, 0}}

// wall is something that nats-server has to hold so that a grant of usher's does.
type wall struct {
	row   string        // begins it in docs/reference/compatibility.md
	since []natsRelease // of each line that got it, in order
	fault string        // what a client does at a server that has it not
}

func walls() []wall {
	return []wall{
		{
			row: "isolation: a second CONNECT ends the subscriptions of the first", since: []natsRelease{{2, 11, 17}, {2, 12, 8}},
			fault: "a client that sends a second CONNECT with another key keeps the subscriptions of the first, even after that key has ended and in another account",
		},
		{
			row: "isolation: no trace (`Nats-Trace-Dest`) to a subject to which the publisher may not publish", since: []natsRelease{{2, 10, 0}, {2, 11, 15}, {2, 12, 6}},
			fault: "with the header Nats-Trace-Dest a publisher can send traces to any subject, whatever the ACLs say",
		},
	}
}

// wallsFrom are the releases that hold them all.
const wallsFrom = "2.11.17 of line 2.11, or 2.12.8 or later"

// checkRelease warns of a server in which a wall has a hole.
func checkRelease(f *finding.List, where, version string) {
	r, ok := parseRelease(version)
	if !ok {
		return // nobody knows
	}
	var faults []string
	for _, w := range walls() {
		if !r.has(w.since) {
			faults = append(faults, w.fault)
		}
	}
	if len(faults) > 0 {
		f.Warn("release", where, "use nats-server "+wallsFrom+" (docs/reference/compatibility.md)",
			"nats-server %s does not fully enforce grants: %s", r, strings.Join(faults, "; "))
	}
}
