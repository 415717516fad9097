package store

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"usher/api/messages"
)

// What is on its way for all projects of an account stays far below what a server keeps for a
// client, and one project does not take all of it.
func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(1<<20, time.Second)
		total := 0
		for project := range 10 {
			taken := 0
			for {
				release, err := w.acquire(t.Context(), strconv.Itoa(project), requestWindow)
				if err != nil {
					if !errors.Is(err, messages.ErrBusy) {
						t.Errorf("project %d: %v", project, err)
					}
					break
				}
				defer release()
				taken += requestWindow
			}
			if taken > projectWindow || project < 4 && taken < projectWindow {
				t.Errorf("project %d has %d bytes on their way", project, taken)
			}
			total += taken
		}
		if total != accountWindow {
			t.Errorf("%d bytes are on their way, expected %d", total, accountWindow)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.acquire(ctx, "0", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("who goes away got %v", err)
		}
		if _, err := w.acquire(t.Context(), "0", 0); err != nil {
			t.Errorf("a request that waits: %v", err)
		}
	})
}

// A message of the largest size fits, whatever the servers accept.
func TestWindowOfLargeMessages(t *testing.T) {
	t.Parallel()
	for _, most := range []int64{0, 1 << 20, 8 << 20, 64 << 20} {
		w := newWindow(most, time.Second)
		release, err := w.acquire(t.Context(), "P", int(most)+maxHeader*100)
		if err != nil {
			t.Fatalf("%d: %v", most, err)
		}
		release()
	}
}

func TestWindowExpansion(t *testing.T) {
	t.Parallel()
	w := newWindow(1<<20, time.Second)
	if got := w.expands("P"); got != firstExpansion {
		t.Errorf("an unknown project: %d", got)
	}
	for _, tt := range []struct{ wire, memory, want int }{
		{100, 3150, 32},
		{0, 0, 32},
		{100, 100, 28}, // slowly
	} {
		w.observe("P", tt.wire, tt.memory)
		if got := w.expands("P"); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
	for range 100 {
		w.observe("P", 100, 100)
	}
	if got := w.expands("P"); got != 1 {
		t.Errorf("small headers for a long time: %d", got)
	}
}
