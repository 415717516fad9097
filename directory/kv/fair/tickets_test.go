package fair_test

import (
	"strings"
	"testing"
	"time"

	"usher/directory/kv/fair"
)

// Replicas that have received different messages about tickets never wait for each
// other.
func TestTicketsReceivedInPart(t *testing.T) {
	now := time.Now()
	for name, messages := range map[string][]string{
		"both":                         {"1", "2"},
		"the first twice":              {"1", "2", "1"},
		"in the wrong order":           {"2", "1"},
		"only the first":               {"1"},
		"only the second":              {"2"},
		"an earlier one that was used": {"0", "1", "committed 0"},
		"an unknown one that was used": {"1", "2", "committed 0"},
	} {
		var tickets fair.Tickets
		for _, m := range messages {
			if id, committed := strings.CutPrefix(m, "committed "); committed {
				tickets.Committed(id)
			} else {
				tickets.Opened(m, now)
			}
		}
		if until, _ := tickets.Before("1", now); !until.IsZero() {
			t.Errorf("%s: the first ticket waits", name)
		}
		if until, _ := tickets.Before("", now); until.IsZero() {
			t.Errorf("%s: a writer without a ticket does not wait", name)
		}
	}
}
