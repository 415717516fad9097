package server

import (
	"testing"
	"time"

	"usher/directory/kv"
)

// A view is current if it was compared with the bucket just now, whatever was
// done to the clock since.
func TestViewOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for age, current := range map[time.Duration]bool{
		0: true, 2 * time.Second: true, -2 * time.Second: true, time.Minute: false, -time.Hour: false, 30 * 24 * time.Hour: false,
	} {
		if got := viewOf(kv.Status{Loaded: true, Checked: now.Add(-age)}, now).Current; got != current {
			t.Errorf("%s old: current: %v", age, got)
		}
	}
	if viewOf(kv.Status{Loaded: true}, now).Current || viewOf(kv.Status{Checked: now}, now).Current {
		t.Error("what was never compared, or loaded, is current")
	}
}
