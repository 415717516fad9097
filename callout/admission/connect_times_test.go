package admission

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestConnectedBy(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name   string
		server string
		client uint64
		now    int // milliseconds
		want   int
	}{
		{"first client", "A", 100, 0, 0},
		{"next client", "A", 101, 500, 500},
		{"lower ID than all: connected by the first sample", "A", 50, 600, 0},
		{"ID between two samples", "A", 101, 700, 500},
		{"IDs jump", "A", 5000, 1000, 1000},
		{"ID skipped by the jump", "A", 4999, 1900, 1000},
		{"another server has its own IDs", "B", 50, 1950, 1950},
		{"newer client", "A", 6000, 2000, 2000},
		{"old client: connected by the oldest sample", "A", 1, 9000, 0},
		{"newer client, and old samples expire", "A", 7000, 9000, 9000},
		{"old client: connected by the oldest sample that is left", "A", 1, 9500, 9000},
		{"clock set back", "A", 1, 8000, 8000},
		{"clock set forward", "A", 1, 9600, 8000},
	}
	c := NewConnectTimes()
	for _, tt := range tests {
		c.Observe(tt.server, tt.client, at(tt.now))
		if got := c.ConnectedBy(tt.server, tt.client, at(tt.now)); !got.Equal(at(tt.want)) {
			t.Errorf("%s: connected by %d ms, want %d", tt.name, got.Sub(start).Milliseconds(), tt.want)
		}
	}
}

// The estimate of the newest client is exact to the resolution.
func TestResolution(t *testing.T) {
	c := NewConnectTimes()
	now := time.Unix(1_800_000_000, 0)
	for n := range uint64(1000) {
		now = now.Add(time.Millisecond)
		if got := c.ConnectedBy("A", n+1, now); !got.Equal(now) {
			t.Fatalf("new client: connected %s ago", now.Sub(got))
		}
		c.Observe("A", n+1, now)
		if got := c.ConnectedBy("A", n+1, now); now.Sub(got) > resolution || got.After(now) {
			t.Fatalf("observed client: connected %s ago", now.Sub(got))
		}
	}
	s, _ := c.servers.Get("A")
	if len(s.order) > 1000/int(resolution/time.Millisecond)+1 {
		t.Errorf("%d samples in a second", len(s.order))
	}
}

// The numbers of servers and of samples are bounded.
func TestConnectTimesAreBounded(t *testing.T) {
	c := NewConnectTimes()
	now := time.Unix(1_800_000_000, 0)
	for n := range 3 * maxServers {
		c.Observe(fmt.Sprint(n), 1, now)
	}
	if c.servers.Len() != maxServers {
		t.Errorf("%d servers", c.servers.Len())
	}
	for n := range uint64(100_000) {
		now = now.Add(10 * time.Millisecond)
		c.Observe("A", n, now)
	}
	s, _ := c.servers.Get("A")
	if limit := int(retention/resolution) + 2; len(s.order) > limit {
		t.Errorf("%d samples, want at most %d", len(s.order), limit)
	}
}

func TestConnectTimesConcurrently(t *testing.T) {
	c := NewConnectTimes()
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for n := range 2000 {
				now := time.Now()
				c.Observe(fmt.Sprint(n%3), uint64(n*w), now)
				if got := c.ConnectedBy(fmt.Sprint(n%3), uint64(n*w), now); got.After(now) {
					t.Error("a client connected after now")
				}
			}
		})
	}
	workers.Wait()
}

// The order of observations does not matter.
func TestObserveOutOfOrder(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * resolution) }
	const count = 100 // two seconds
	for range 50 {
		c := NewConnectTimes()
		for _, i := range rand.Perm(count) {
			c.Observe("A", uint64(10*i), at(i))
		}
		for i := range count {
			if got := c.ConnectedBy("A", uint64(10*i), at(count)); !got.Equal(at(i)) {
				t.Fatalf("client %d: connected %s after the start, want %s", 10*i, got.Sub(start), at(i).Sub(start))
			}
		}
	}
}

// ConnectedBy records nothing, because its request is not verified.
func TestConnectedByRecordsNothing(t *testing.T) {
	c := NewConnectTimes()
	now := time.Unix(1_800_000_000, 0)
	c.ConnectedBy("A", math.MaxUint64, now)
	if got := c.ConnectedBy("A", 1, now.Add(time.Second)); !got.Equal(now.Add(time.Second)) {
		t.Errorf("client connected %s ago", now.Add(time.Second).Sub(got))
	}
	if c.servers.Len() != 0 {
		t.Error("a server was recorded without a verified request")
	}
}

// A sample is needed at most once per resolution, and for a new highest ID only.
func TestNeedsSample(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	c := NewConnectTimes()
	tests := []struct {
		name   string
		client uint64
		at     time.Duration
		want   bool
	}{
		{"unknown server", 10, 0, true},
		{"within the resolution", 20, resolution - 1, false},
		{"later, higher ID", 20, resolution, true},
		{"later, same ID", 20, 2 * resolution, false},
		{"later, lower ID", 5, 3 * resolution, false},
		{"before all samples", 1, -resolution, true},
	}
	for _, tt := range tests {
		if got := c.NeedsSample("A", tt.client, start.Add(tt.at)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if tt.want {
			c.Observe("A", tt.client, start.Add(tt.at))
		}
	}
	if !c.NeedsSample("B", 1, start) {
		t.Error("a sample of one server counts for another")
	}
}
