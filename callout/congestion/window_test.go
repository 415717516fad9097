package congestion

import (
	"sync"
	"testing"
	"time"
)

// Each of four connections has at least 64 slots, and 512 when it is new.
const (
	testConnections = 4
	testMin         = minLimit / testConnections
	testStart       = startLimit / testConnections
)

func TestNextLimit(t *testing.T) {
	tests := []struct {
		name     string
		limit, n int
		took     time.Duration
		want     int
	}{
		{"at the target delay: unchanged", 100, 100, targetDelay, 100},
		{"twice the target delay: halved at once", 400, 400, 2 * targetDelay, 200},
		{"much slower", 400, 10, 2 * targetDelay, 5},
		{"few answers within the target delay: unchanged", 400, 2, targetDelay / 2, 400},
		{"no answers: unchanged", 400, 0, 3 * targetDelay, 400},
		{"ten times as fast: grows by half", 100, 100, targetDelay / 10, 150},
		{"never above the maximum", maxLimit, maxLimit, targetDelay / 10, maxLimit},
		{"zero duration", maxLimit, 1, 0, maxLimit},
		{"one answer on an idle connection", 100, 1, time.Millisecond, 150},
		{"clock set back", 100, 1, -time.Second, 150},
	}
	for _, tt := range tests {
		if got := nextLimit(tt.limit, tt.n, tt.took); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// fill acquires all free slots.
func fill(t *testing.T, w *Window) {
	t.Helper()
	limit, acquired := w.Size()
	for range limit - acquired {
		if !w.Acquire() {
			t.Fatal("closed")
		}
	}
}

// acquireInBackground acquires a slot in a goroutine. The channel gets the
// result of Acquire.
func acquireInBackground(w *Window) <-chan bool {
	acquired, started := make(chan bool, 1), make(chan struct{})
	go func() {
		close(started)
		acquired <- w.Acquire()
	}()
	<-started
	return acquired
}

func requireBlocked(t *testing.T, acquired <-chan bool) {
	t.Helper()
	select {
	case <-acquired:
		t.Fatal("acquired a slot of a full window")
	default:
	}
}

func TestSlotsAreFreeAfterFlush(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := NewWindow(testConnections, func() time.Time { return now })
	stop := make(chan struct{})
	fill(t, w)
	acquired := acquireInBackground(w)
	for range testStart {
		w.Sent()
	}
	requireBlocked(t, acquired)
	epoch, ok := w.BeginFlush(stop)
	if !ok {
		t.Fatal("nothing to flush")
	}
	requireBlocked(t, acquired)
	now = now.Add(targetDelay)
	w.EndFlush(epoch)
	if !<-acquired {
		t.Error("closed")
	}
	if limit, acquired := w.Size(); limit != testStart || acquired != 1 {
		t.Errorf("%d of %d slots acquired", acquired, limit)
	}
}

func TestRelease(t *testing.T) {
	w := NewWindow(testConnections, time.Now)
	fill(t, w)
	acquired := acquireInBackground(w)
	w.Release()
	if !<-acquired {
		t.Error("closed")
	}
}

// No flush confirms the answers that were in flight on a lost connection.
func TestReset(t *testing.T) {
	w := NewWindow(testConnections, time.Now)
	fill(t, w)
	w.Sent()
	epoch, _ := w.BeginFlush(nil)
	w.Sent()
	acquired := acquireInBackground(w)
	w.Reset()
	if !<-acquired {
		t.Error("closed")
	}
	// Two answers were in flight; the goroutine has one slot.
	if _, acquired := w.Size(); acquired != testStart-1 {
		t.Errorf("%d slots acquired, want %d", acquired, testStart-1)
	}
	w.EndFlush(epoch) // of an earlier epoch: must not count twice
	if _, acquired := w.Size(); acquired != testStart-1 {
		t.Errorf("%d slots acquired after the end of a stale flush", acquired)
	}
}

func TestForceAcquire(t *testing.T) {
	w := NewWindow(testConnections, time.Now)
	fill(t, w)
	w.ForceAcquire()
	w.Sent()
	if _, acquired := w.Size(); acquired != testStart+1 {
		t.Errorf("%d slots acquired", acquired)
	}
	epoch, _ := w.BeginFlush(nil)
	w.EndFlush(epoch)
	if _, acquired := w.Size(); acquired != testStart {
		t.Errorf("%d slots acquired", acquired)
	}
}

func TestClose(t *testing.T) {
	w := NewWindow(testConnections, time.Now)
	fill(t, w)
	acquired := acquireInBackground(w)
	w.Close()
	if <-acquired {
		t.Error("acquired a slot of a closed window")
	}
	stop := make(chan struct{})
	close(stop)
	if _, ok := w.BeginFlush(stop); ok {
		t.Error("a flush began after stop")
	}
}

// Every slot is returned, whatever runs concurrently.
func TestConcurrentUse(t *testing.T) {
	w := NewWindow(testConnections, time.Now)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			epoch, ok := w.BeginFlush(stop)
			if !ok {
				return
			}
			if n%50 == 49 {
				w.Reset()
			}
			w.EndFlush(epoch)
		}
	}()
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for n := range 2000 {
				if !w.Acquire() {
					t.Error("closed")
					return
				}
				if (n+i)%3 == 0 {
					w.Release()
				} else {
					w.Sent()
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	<-stopped
	w.Reset()
	if _, acquired := w.Size(); acquired != 0 {
		t.Errorf("%d slots are still acquired", acquired)
	}
}

// The delay is that of the last flush, or of the flush under way if that takes
// longer. It is 0 once the last flush is too long ago.
func TestDelay(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := NewWindow(testConnections, func() time.Time { return now })
	check := func(want time.Duration) {
		t.Helper()
		if got := w.Delay(); got != want {
			t.Errorf("delay %s, want %s", got, want)
		}
	}
	check(0)
	for _, took := range []time.Duration{time.Second, 10 * time.Millisecond} {
		last := w.Delay()
		w.Acquire()
		w.Sent()
		epoch, _ := w.BeginFlush(nil)
		now = now.Add(took)
		check(max(last, took))
		w.EndFlush(epoch)
		check(took)
	}
	now = now.Add(maxSampleAge)
	check(10 * time.Millisecond)
	now = now.Add(1)
	check(0)
}
