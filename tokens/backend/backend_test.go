package backend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// calls is a backend that answers with what is set, and counts.
type calls struct {
	mu     sync.Mutex
	n      int
	answer backend.Answer
	err    error
}

func (c *calls) set(a backend.Answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer, c.err = a, err
}

func (c *calls) ask(context.Context) (backend.Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.answer, c.err
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

var (
	errDown = errors.New("connection refused")
	alice   = backend.Answer{Identity: identity.Identity{ID: "alice"}}
	bob     = backend.Answer{Identity: identity.Identity{ID: "bob"}}
	refusal = backend.Answer{Refusal: &tokens.Reason{Code: "inactive", Cause: "the token is not active"}}
	key     = backend.Key("test", "a token")
)

func newBackend(change func(*backend.Config)) *backend.Backend {
	cfg := backend.Config{Name: "test", MaxAge: time.Minute, RefusalAge: 5 * time.Second, Now: time.Now}
	if change != nil {
		change(&cfg)
	}
	return backend.New(cfg)
}

// expect asks, and fails unless the answer is want.
func expect(t *testing.T, b *backend.Backend, c *calls, want backend.Answer, callsSoFar int) {
	t.Helper()
	got, err := b.Ask(t.Context(), key, c.ask)
	if err != nil || got.Identity.ID != want.Identity.ID || got.Refusal != want.Refusal {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if n := c.count(); n != callsSoFar {
		t.Errorf("%d calls so far, want %d", n, callsSoFar)
	}
}

// expectDown asks, and fails unless the backend cannot decide.
func expectDown(t *testing.T, b *backend.Backend, c *calls, callsSoFar int) {
	t.Helper()
	_, err := b.Ask(t.Context(), key, c.ask)
	if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) {
		t.Errorf("got %v", err)
	}
	if n := c.count(); n != callsSoFar {
		t.Errorf("%d calls so far, want %d", n, callsSoFar)
	}
}

func until(d time.Duration) backend.Answer {
	a := alice
	a.Until = time.Now().Add(d)
	return a
}

func TestAges(t *testing.T) {
	tests := []struct {
		name   string
		change func(*backend.Config)
		answer func() backend.Answer
		kept   time.Duration
	}{
		{"to the cap", nil, func() backend.Answer { return alice }, time.Minute},
		{"to its end", nil, func() backend.Answer { return until(20 * time.Second) }, 20 * time.Second},
		{"its end is after the cap", nil, func() backend.Answer { return until(time.Hour) }, time.Minute},
		{"it has ended", nil, func() backend.Answer { return until(-time.Second) }, 0},
		{"not at all", func(c *backend.Config) { c.MaxAge = 0 }, func() backend.Answer { return alice }, 0},
		{"a refusal briefly", nil, func() backend.Answer { return refusal }, 5 * time.Second},
		{"a refusal not at all", func(c *backend.Config) { c.RefusalAge = 0 }, func() backend.Answer { return refusal }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, c := newBackend(tt.change), &calls{}
				want := tt.answer()
				c.set(want, nil)
				expect(t, b, c, want, 1)
				if cached := b.Cached(key); cached != (tt.kept > 0) {
					t.Errorf("cached: %v", cached)
				}
				if tt.kept > 0 {
					time.Sleep(tt.kept - 1) // in the time of the test
					expect(t, b, c, want, 1)
					time.Sleep(time.Nanosecond)
				}
				if b.Cached(key) {
					t.Error("kept too long")
				}
				expect(t, b, c, want, 2)
			})
		})
	}
}

// An answer is as old as the question.
func TestAgeCountsFromTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(func(c *backend.Config) { c.MaxAge, c.Timeout = 3*time.Second, 10*time.Second })
		_, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) {
			time.Sleep(2 * time.Second)
			return alice, nil
		})
		if err != nil || !b.Cached(key) {
			t.Fatalf("%v, cached: %v", err, b.Cached(key))
		}
		time.Sleep(time.Second)
		if b.Cached(key) {
			t.Error("kept too long")
		}
	})
}

func TestOneCallPerCredential(t *testing.T) {
	const clients = 1000
	b := newBackend(nil)
	var n atomic.Int32
	arrived := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			a, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) {
				n.Add(1)
				<-arrived
				return alice, nil
			})
			if err != nil || a.Identity.ID != "alice" {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	close(arrived)
	all.Wait()
	if n.Load() != 1 {
		t.Errorf("%d calls", n.Load())
	}
	for i := range 3 {
		if _, err := b.Ask(t.Context(), backend.Key("test", fmt.Sprint(i)), func(context.Context) (backend.Answer, error) {
			n.Add(1)
			return alice, nil
		}); err != nil {
			t.Error(err)
		}
	}
	if n.Load() != 4 {
		t.Errorf("%d calls for 4 credentials", n.Load())
	}
}

func TestKey(t *testing.T) {
	keys := map[[32]byte]string{}
	for _, parts := range [][]string{{"a", "b"}, {"a", "b", ""}, {"ab"}, {"a", "", "b"}, {"", "ab"}, {"a 1:b"}, {"b", "a"}} {
		k := backend.Key(parts[0], parts[1:]...)
		if other, ok := keys[k]; ok {
			t.Errorf("%q has the key of %s", parts, other)
		}
		keys[k] = fmt.Sprint(parts)
	}
}

// The call goes on when the client that caused it has gone.
func TestCallOutlivesItsFirstClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(nil)
		release := make(chan struct{})
		ask := func(ctx context.Context) (backend.Answer, error) {
			select {
			case <-release:
				return alice, nil
			case <-ctx.Done():
				return backend.Answer{}, ctx.Err()
			}
		}
		first, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := b.Ask(first, key, ask); !errors.Is(err, tokens.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("the client that left got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if a, err := b.Ask(t.Context(), key, ask); err != nil || a.Identity.ID != "alice" {
				t.Errorf("the client that stayed got %+v, %v", a, err)
			}
		})
		synctest.Wait()
		if n := b.Status().Backends[0].Waiting; n != 2 {
			t.Errorf("%d wait", n)
		}
		leave()
		synctest.Wait()
		close(release)
		all.Wait()
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(nil)
		start := time.Now()
		_, err := b.Ask(t.Context(), key, func(ctx context.Context) (backend.Answer, error) {
			<-ctx.Done()
			return backend.Answer{}, fmt.Errorf("post: %w", ctx.Err())
		})
		// The budget of the request is not over: that error would be "too late".
		if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 1s") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("after %s", took)
		}
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := newBackend(func(c *backend.Config) { c.MaxAge = 0 }), &calls{}
		c.set(backend.Answer{}, errDown)
		for i := range 5 {
			if b.Status().Backends[0].Open {
				t.Errorf("open after %d failures", i)
			}
			expectDown(t, b, c, i+1)
		}
		s := b.Status().Backends[0]
		if !s.Open || s.Up || s.Requests != 5 || s.Failures != 5 || !strings.Contains(s.Error, "connection refused") {
			t.Errorf("got %+v", s)
		}
		expectDown(t, b, c, 5)

		time.Sleep(5*time.Second + 1) // one call tries, in vain
		expectDown(t, b, c, 6)
		expectDown(t, b, c, 6)

		c.set(alice, nil)
		expectDown(t, b, c, 6)
		time.Sleep(5*time.Second + 1)
		expect(t, b, c, alice, 7)
		expect(t, b, c, alice, 8)
		if s := b.Status().Backends[0]; s.Open || !s.Up || s.Error != "" {
			t.Errorf("got %+v", s)
		}
	})
}

// A client whose credential the backend answers strangely does not open the breaker.
func TestUnusableAnswers(t *testing.T) {
	b, c := newBackend(nil), &calls{}
	c.set(backend.Answer{}, backend.Unusable(errors.New("status 400")))
	for i := range 20 {
		expectDown(t, b, c, i+1)
	}
	if s := b.Status().Backends[0]; s.Open || !s.Up || s.Failures != 20 || s.Error != "status 400" {
		t.Errorf("got %+v", s)
	}
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(func(c *backend.Config) { c.Concurrency, c.Breaker.Failures = 2, 100 })
		var now, most atomic.Int32
		release := make(chan struct{})
		ask := func(context.Context) (backend.Answer, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-release
			return alice, nil
		}
		var failed atomic.Int32
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				_, err := b.Ask(t.Context(), backend.Key("test", fmt.Sprint(i)), ask)
				if err != nil {
					failed.Add(1)
					if !errors.Is(err, tokens.ErrUnavailable) || !strings.Contains(err.Error(), "too many") {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(time.Second + 1) // the wait for one's turn is over
		synctest.Wait()
		if failed.Load() != 3 {
			t.Errorf("%d gave up, want 3", failed.Load())
		}
		all.Go(func() { // waits for less than that
			if _, err := b.Ask(t.Context(), key, ask); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(release)
		all.Wait()
		if most.Load() != 2 {
			t.Errorf("%d calls at a time, want 2", most.Load())
		}
		if s := b.Status().Backends[0]; s.Requests != 3 || s.Failures != 0 || s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestRetries(t *testing.T) {
	tests := []struct {
		name  string
		tries int // of the call that succeeds; 0: none does
		err   error
		calls int
		ok    bool
	}{
		{"the third succeeds", 3, backend.Retriable(errDown), 3, true},
		{"none succeeds", 0, backend.Retriable(errDown), 3, false},
		{"not safe to repeat", 2, errDown, 1, false},
		{"wrapped", 2, fmt.Errorf("post: %w", backend.Retriable(errDown)), 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(func(c *backend.Config) { c.Retries = 2 })
				n := 0
				_, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) {
					n++
					if n == tt.tries {
						return alice, nil
					}
					return backend.Answer{}, tt.err
				})
				if (err == nil) != tt.ok || n != tt.calls {
					t.Errorf("%d calls, %v", n, err)
				}
				if err != nil && !strings.Contains(err.Error(), errDown.Error()) {
					t.Errorf("the cause is lost: %v", err)
				}
				if s := b.Status().Backends[0]; s.Requests != 1 {
					t.Errorf("the breaker sees %d calls", s.Requests)
				}
			})
		})
	}
}

// Retries end with the time of the call.
func TestRetriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(func(c *backend.Config) { c.Retries = 1000 })
		start := time.Now()
		_, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) {
			return backend.Answer{}, backend.Retriable(errDown)
		})
		if took := time.Since(start); err == nil || took > time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

func TestStale(t *testing.T) {
	stale := func(c *backend.Config) { c.Stale = 10 * time.Minute }
	tests := []struct {
		name   string
		change func(*backend.Config)
		answer func() backend.Answer
		after  time.Duration
		used   bool
	}{
		{"fresh", nil, func() backend.Answer { return alice }, 59 * time.Second, true},
		{"not configured", nil, func() backend.Answer { return alice }, time.Minute, false},
		{"within its bound", stale, func() backend.Answer { return alice }, 11*time.Minute - 1, true},
		{"past its bound", stale, func() backend.Answer { return alice }, 11 * time.Minute, false},
		{"within its end", stale, func() backend.Answer { return until(2 * time.Minute) }, 2*time.Minute - 1, true},
		{"past its end", stale, func() backend.Answer { return until(2 * time.Minute) }, 2 * time.Minute, false},
		{"a refusal", stale, func() backend.Answer { return refusal }, 6 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, c := newBackend(tt.change), &calls{}
				c.set(tt.answer(), nil)
				expect(t, b, c, tt.answer(), 1)
				c.set(backend.Answer{}, errDown)
				time.Sleep(tt.after)
				a, err := b.Ask(t.Context(), key, c.ask)
				if (err == nil) != tt.used || tt.used && a.Identity.ID != "alice" {
					t.Errorf("got %+v, %v", a, err)
				}
				want := uint64(0)
				if tt.used && tt.after > time.Minute {
					want = 1
				}
				if s := b.Status().Backends[0]; s.Stale != want {
					t.Errorf("%d stale answers in the status, want %d", s.Stale, want)
				}
			})
		})
	}
}

// Whoever has been refused does not come back when the backend is down.
func TestRefusalEndsStaleAnswer(t *testing.T) {
	for _, refusalAge := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b, c := newBackend(func(c *backend.Config) { c.Stale, c.RefusalAge = time.Hour, refusalAge }), &calls{}
			c.set(alice, nil)
			expect(t, b, c, alice, 1)
			time.Sleep(time.Minute)
			c.set(refusal, nil)
			expect(t, b, c, refusal, 2)
			time.Sleep(10 * time.Second)
			c.set(backend.Answer{}, errDown)
			expectDown(t, b, c, 3)
		})
	}
}

func TestForget(t *testing.T) {
	is := func(id string) func(*identity.Identity) bool {
		return func(i *identity.Identity) bool { return i.ID == id }
	}
	b, c := newBackend(nil), &calls{}
	c.set(alice, nil)
	expect(t, b, c, alice, 1)
	b.Forget(is("bob"))
	expect(t, b, c, alice, 1)
	b.Forget(is("alice"))
	expect(t, b, c, alice, 2)

	c.set(refusal, nil)
	b.Forget(is("alice"))
	expect(t, b, c, refusal, 3)
	b.Forget(is("")) // of a refusal
	expect(t, b, c, refusal, 4)
	b.Forget(nil)
	expect(t, b, c, refusal, 5)
}

// An answer that arrives after Forget and was asked for before is not kept.
//
// Attack: an answer about a user that is on its way while the user is changed is kept past the change
// Held by: an answer that was asked for before a change is used by those who wait for it, and not kept
func TestForgetWhileAsking(t *testing.T) {
	b, c := newBackend(nil), &calls{}
	_, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) {
		b.Forget(func(id *identity.Identity) bool { return id.ID == "alice" })
		return alice, nil
	})
	if err != nil || b.Cached(key) {
		t.Errorf("%v, kept: %v", err, b.Cached(key))
	}
	c.set(bob, nil)
	expect(t, b, c, bob, 1)
	expect(t, b, c, bob, 1)
}

func TestFloodOfRefusals(t *testing.T) {
	b, c := newBackend(func(c *backend.Config) { c.CacheSize = 10 }), &calls{}
	c.set(alice, nil)
	expect(t, b, c, alice, 1)
	c.set(refusal, nil)
	for i := range 100 {
		if _, err := b.Ask(t.Context(), backend.Key("test", fmt.Sprint(i)), c.ask); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, b, c, alice, 101)
	s := b.Status()
	if s.Caches[0].Entries != 1 || s.Caches[1].Entries != 10 || s.Caches[1].Max != 10 || s.Caches[0].Hits != 1 || s.Caches[1].Misses != 101 {
		t.Errorf("got %+v", s.Caches)
	}
}

func TestPanic(t *testing.T) {
	b, c := newBackend(nil), &calls{}
	_, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) { panic("a secret") })
	if !errors.Is(err, tokens.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	c.set(alice, nil)
	expect(t, b, c, alice, 1) // the slot was given back
	if s := b.Status().Backends[0]; s.Requests != 2 || s.Failures != 1 {
		t.Errorf("got %+v", s)
	}
	expect(t, b, c, alice, 1)
	b.Forget(func(*identity.Identity) bool { return true })
	if _, err := b.Ask(t.Context(), key, func(context.Context) (backend.Answer, error) {
		b.Forget(func(*identity.Identity) bool { panic("a secret") })
		return alice, nil
	}); !errors.Is(err, tokens.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	expect(t, b, c, alice, 2)
}

// Everything at a time, for the race detector.
func TestAllAtOnce(t *testing.T) {
	b := newBackend(func(c *backend.Config) { c.CacheSize, c.Concurrency, c.Breaker.Failures = 8, 4, 3 })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				a, err := b.Ask(t.Context(), backend.Key("test", fmt.Sprint(n%16)), func(context.Context) (backend.Answer, error) {
					switch n % 16 {
					case 1:
						return backend.Answer{}, errDown
					case 2, 3, 4:
						return refusal, nil
					}
					return alice, nil
				})
				if err != nil && !errors.Is(err, tokens.ErrUnavailable) || err == nil && a.Identity.ID != "alice" && a.Refusal == nil {
					t.Errorf("got %+v, %v", a, err)
				}
				if n%10 == i {
					b.Forget(func(id *identity.Identity) bool { return id.ID == "alice" })
				}
				b.Status()
			}
		})
	}
	all.Wait()
	if s := b.Status(); s.Backends[0].Waiting != 0 || s.Caches[0].Entries > 8 || s.Caches[1].Entries > 8 {
		t.Errorf("got %+v", s)
	}
}
