package waiting

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"usher/callout/ratelimit"
)

var start = time.Unix(1_800_000_000, 0)

func newSlots(limit int) *Slots {
	return New(limit, ratelimit.Config{PerHost: 2, PerCredential: 1, Burst: 3, Now: func() time.Time { return start }})
}

func attempt(s *Slots, host, credential string) ratelimit.Attempt {
	return s.failures.Attempt(host, credential)
}

// take acquires slots for an attempt until it gets none, and returns how many it got.
func take(t *testing.T, s *Slots, attempt func(i int) ratelimit.Attempt) int {
	t.Helper()
	for i := 0; ; i++ {
		err := s.Acquire(attempt(i))
		if errors.Is(err, ErrBusy) {
			return i
		}
		if err != nil || i > s.limit {
			t.Fatalf("%d slots, %v", i, err)
		}
	}
}

// TestShares: a host alone, or a credential alone, gets a quarter of the slots, and later
// ones get less, but always something.
//
// Attack: one host, or one credential, takes all slots of a verifier that waits
// Held by: each may hold a third of the free slots
func TestShares(t *testing.T) {
	s := newSlots(1024)
	oneHost := func(host string) func(int) ratelimit.Attempt {
		return func(i int) ratelimit.Attempt { return attempt(s, host, host+strconv.Itoa(i)) }
	}
	if n := take(t, s, oneHost("a")); n < 256 || n > 258 {
		t.Errorf("a host alone got %d slots", n)
	}
	if n := take(t, s, oneHost("b")); n < 190 || n > 194 {
		t.Errorf("a second host got %d slots", n)
	}
	if n := take(t, s, oneHost("a")); n != 0 {
		t.Errorf("the first host got %d more slots", n)
	}
	before := s.Taken()
	n := take(t, s, func(i int) ratelimit.Attempt { return attempt(s, "host"+strconv.Itoa(i), "shared") })
	if free := 1024 - before; n < free/4 || n > free/4+2 {
		t.Errorf("a credential got %d slots of %d", n, free)
	}
	n = take(t, s, func(i int) ratelimit.Attempt { return attempt(s, "other"+strconv.Itoa(i), "") })
	if s.Taken() != 1024 || n == 0 {
		t.Errorf("many hosts without a credential got %d slots; %d are taken", n, s.Taken())
	}
}

func TestFewSlots(t *testing.T) {
	for limit := 1; limit < 8; limit++ {
		s := newSlots(limit)
		for i := range limit {
			if err := s.Acquire(attempt(s, strconv.Itoa(i), strconv.Itoa(i))); err != nil {
				t.Errorf("slot %d of %d: %v", i, limit, err)
			}
		}
		if err := s.Acquire(attempt(s, "late", "late")); !errors.Is(err, ErrBusy) {
			t.Errorf("one more than %d slots: %v", limit, err)
		}
		for i := range limit {
			s.Release(attempt(s, strconv.Itoa(i), strconv.Itoa(i)))
		}
		if s.Taken() != 0 || len(s.hosts) != 0 || len(s.credentials) != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// TestFailing: who has failed too often at the verifier gets no slot, and others do.
func TestFailing(t *testing.T) {
	s := newSlots(8)
	for range 3 {
		s.failures.Record(attempt(s, "bad", "wrong"))
	}
	for _, tt := range []struct {
		host, credential string
		failing          bool
	}{{"bad", "right", true}, {"good", "wrong", true}, {"good", "right", false}} {
		if err := s.Acquire(attempt(s, tt.host, tt.credential)); errors.Is(err, ErrFailing) != tt.failing {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestConcurrently(t *testing.T) {
	s := newSlots(16)
	var all sync.WaitGroup
	for i := range 64 {
		a := attempt(s, strconv.Itoa(i%5), strconv.Itoa(i%7))
		all.Go(func() {
			for range 1000 {
				if s.Acquire(a) == nil {
					if n := s.Taken(); n < 1 || n > 16 {
						t.Errorf("%d slots are taken", n)
					}
					s.Release(a)
				}
			}
		})
	}
	all.Wait()
	if s.Taken() != 0 || len(s.hosts) != 0 || len(s.credentials) != 0 {
		t.Errorf("%+v", s)
	}
}
