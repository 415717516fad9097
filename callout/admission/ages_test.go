package admission

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestAges(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name   string
		server string
		number uint64
		now    int // milliseconds
		want   int
	}{
		{"the first", "A", 100, 0, 0},
		{"the next", "A", 101, 500, 500},
		{"one from before both: as old as the first at least", "A", 50, 600, 0},
		{"one from between them", "A", 101, 700, 500},
		{"a jump", "A", 5000, 1000, 1000},
		{"one from before the jump", "A", 4999, 1900, 1000},
		{"another server numbers for itself", "B", 50, 1950, 1950},
		{"a newer one", "A", 6000, 2000, 2000},
		{"what is long ago is as old as anything is known to be", "A", 1, 9000, 0},
		{"a new one, and what is long ago is forgotten", "A", 7000, 9000, 9000},
		{"from then on it is as old as that", "A", 1, 9500, 9000},
		{"a clock that went back", "A", 1, 8000, 8000},
		{"and forward", "A", 1, 9600, 8000},
	}
	a := NewAges()
	for _, tt := range tests {
		a.Learn(tt.server, tt.number, at(tt.now))
		if got := a.Since(tt.server, tt.number, at(tt.now)); !got.Equal(at(tt.want)) {
			t.Errorf("%s: since %d ms, want %d", tt.name, got.Sub(start).Milliseconds(), tt.want)
		}
	}
}

// Within a grain it is not known who was when; nobody becomes older by more.
func TestAgesGrain(t *testing.T) {
	a := NewAges()
	now := time.Unix(1_800_000_000, 0)
	for n := range uint64(1000) {
		now = now.Add(time.Millisecond)
		if got := a.Since("A", n+1, now); !got.Equal(now) {
			t.Fatalf("the newest is there since %s", now.Sub(got))
		}
		a.Learn("A", n+1, now)
		if got := a.Since("A", n+1, now); now.Sub(got) > grain || got.After(now) {
			t.Fatalf("the newest again: since %s", now.Sub(got))
		}
	}
	n, _ := a.servers.Get("A")
	if len(n.marks) > 1000/int(grain/time.Millisecond)+1 {
		t.Errorf("%d marks for a second", len(n.marks))
	}
}

// However long and however many, it is bounded.
func TestAgesAreBounded(t *testing.T) {
	a := NewAges()
	now := time.Unix(1_800_000_000, 0)
	for n := range 3 * servers {
		a.Learn(fmt.Sprint(n), 1, now)
	}
	if a.servers.Len() != servers {
		t.Errorf("%d servers are kept", a.servers.Len())
	}
	for n := range uint64(100_000) {
		now = now.Add(10 * time.Millisecond)
		a.Learn("A", n, now)
	}
	n, _ := a.servers.Get("A")
	if most := int(tracked/grain) + 2; len(n.marks) > most {
		t.Errorf("%d marks are kept, want %d at most", len(n.marks), most)
	}
}

func TestAgesAtOnce(t *testing.T) {
	a := NewAges()
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for n := range 2000 {
				now := time.Now()
				a.Learn(fmt.Sprint(n%3), uint64(n*w), now)
				if got := a.Since(fmt.Sprint(n%3), uint64(n*w), now); got.After(now) {
					t.Error("a client came after now")
				}
			}
		})
	}
	workers.Wait()
}

// What is learnt late, and in any order, is known as if it had been learnt in time.
func TestAgesOutOfOrder(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * grain) }
	const count = 100 // two seconds
	for range 50 {
		a := NewAges()
		for _, i := range rand.Perm(count) {
			a.Learn("A", uint64(10*i), at(i))
		}
		for i := range count {
			if got := a.Since("A", uint64(10*i), at(count)); !got.Equal(at(i)) {
				t.Fatalf("%d came %s after the start, want %s", 10*i, got.Sub(start), at(i).Sub(start))
			}
		}
	}
}

// Asking teaches nothing: what asks is not verified.
func TestAgesAskingTeachesNothing(t *testing.T) {
	a := NewAges()
	now := time.Unix(1_800_000_000, 0)
	a.Since("A", math.MaxUint64, now)
	if got := a.Since("A", 1, now.Add(time.Second)); !got.Equal(now.Add(time.Second)) {
		t.Errorf("a client looks %s old", now.Add(time.Second).Sub(got))
	}
	if a.servers.Len() != 0 {
		t.Error("a server is kept that nobody has verified")
	}
}

// Once in a grain at most, and for new numbers only, is it worth learning.
func TestAgesWants(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	a := NewAges()
	tests := []struct {
		name   string
		number uint64
		then   time.Duration
		want   bool
	}{
		{"of a server that is not known", 10, 0, true},
		{"the same moment", 20, grain - 1, false},
		{"later, and higher", 20, grain, true},
		{"later, and as high", 20, 2 * grain, false},
		{"later, and lower", 5, 3 * grain, false},
		{"before everything", 1, -grain, true},
	}
	for _, tt := range tests {
		if got := a.Wants("A", tt.number, start.Add(tt.then)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if tt.want {
			a.Learn("A", tt.number, start.Add(tt.then))
		}
	}
	if !a.Wants("B", 1, start) {
		t.Error("servers are not apart")
	}
}
