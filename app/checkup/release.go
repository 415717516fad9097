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

// parseRelease parses the version of a server; false: it is not a release number, as in a
// custom build.
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

// has reports whether a release has a change. since are the first releases with it, one for
// each minor release that got it, in order.
func (r natsRelease) has(since []natsRelease) bool {
	for i, s := range since {
		if (i == len(since)-1 || slices.Equal(r[:2], s[:2])) && slices.Compare(r[:], s[:]) >= 0 {
			return true
		}
	}
	return false
}

// atomicBatch is the first release that commits several messages as one batch (ADR-50).
var atomicBatch = []natsRelease{{2, 12, 0}}

// enforcementGap is a fault of older servers with which a client can exceed its grant.
type enforcementGap struct {
	row     string        // its row in docs/reference/compatibility.md
	fixedIn []natsRelease // the first fixed release of each minor release, in order
	fault   string        // what a client can do
}

func enforcementGaps() []enforcementGap {
	return []enforcementGap{
		{
			row: "isolation: a second CONNECT ends the subscriptions of the first", fixedIn: []natsRelease{{2, 11, 17}, {2, 12, 8}},
			fault: "a client that sends a second CONNECT with another key keeps the subscriptions of the first, even after that key has ended and in another account",
		},
		{
			row: "isolation: no trace (`Nats-Trace-Dest`) to a subject to which the publisher may not publish", fixedIn: []natsRelease{{2, 10, 0}, {2, 11, 15}, {2, 12, 6}},
			fault: "with the header Nats-Trace-Dest a publisher can send traces to any subject, whatever the ACLs say",
		},
	}
}

// fixedReleases names the releases without a gap.
const fixedReleases = "2.11.17 of line 2.11, or 2.12.8 or later"

// checkRelease warns of a server whose release has an enforcement gap.
func checkRelease(f *finding.List, where, version string) {
	r, ok := parseRelease(version)
	if !ok {
		return // unknown
	}
	var faults []string
	for _, gap := range enforcementGaps() {
		if !r.has(gap.fixedIn) {
			faults = append(faults, gap.fault)
		}
	}
	if len(faults) > 0 {
		f.Warn("release", where, "use nats-server "+fixedReleases+" (docs/reference/compatibility.md)",
			"nats-server %s does not fully enforce grants: %s", r, strings.Join(faults, "; "))
	}
}
