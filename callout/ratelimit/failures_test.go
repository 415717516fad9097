package ratelimit

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

// clock is a clock that only a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) move(d time.Duration) { c.now = c.now.Add(d) }

func newFailures(perHost, perCredential float64) (*Failures, *clock) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	return New(Config{PerHost: perHost, PerCredential: perCredential, Now: c.Now}), c
}

// fail records n failed attempts.
func fail(f *Failures, host, credential string, n int) {
	for range n {
		f.Record(f.Attempt(host, credential))
	}
}

func TestFailures(t *testing.T) {
	f, clock := newFailures(2, 0.5)
	expect := func(what, host, credential string, hostExhausted, credentialExhausted bool) {
		t.Helper()
		a := f.Attempt(host, credential)
		if got := f.HostExhausted(a); got != hostExhausted {
			t.Errorf("%s: host %s is exhausted: %v", what, host, got)
		}
		if got := f.CredentialExhausted(a); got != credentialExhausted {
			t.Errorf("%s: credential %s is exhausted: %v", what, credential, got)
		}
	}
	expect("without failures", "h", "c", false, false)
	fail(f, "h", "c", 1)
	expect("after one failure", "h", "c", false, false)
	fail(f, "h", "c", 1)
	expect("after the credential's burst of 4 s", "h", "c", false, true)
	expect("another credential", "h", "d", false, false)
	expect("from another host", "i", "c", false, true)
	fail(f, "h", "d", 1)
	fail(f, "h", "e", 4)
	expect("one failure before the host's burst", "h", "f", false, false)
	fail(f, "h", "f", 1)
	expect("after the host's burst of 4 s", "h", "f", true, false)
	expect("another host", "i", "f", false, false)

	clock.move(500*time.Millisecond - 1)
	expect("just before the next token", "h", "g", true, false)
	clock.move(1)
	expect("at the next token", "h", "c", false, true)
	fail(f, "h", "g", 1)
	expect("after one more failure", "h", "g", true, false)
	clock.move(1500 * time.Millisecond)
	expect("the credential recovers after the host", "h", "c", false, false)

	fail(f, "h", "c", 1000) // the bucket does not go below empty
	expect("after many failures", "h", "c", true, true)
	clock.move(2 * time.Second)
	expect("recovers as after one failure", "h", "c", false, false)

	clock.move(time.Hour)
	fail(f, "h", "c", 1)
	expect("one failure after an hour", "h", "c", false, false)
	fail(f, "h", "c", 1)
	expect("an hour refills no more than the burst", "h", "c", false, true)
	if hosts, credentials := f.Size(); hosts != 1 || credentials != 5 {
		t.Errorf("%d hosts, %d credentials", hosts, credentials)
	}
}

// The burst is at least one, also if the rate allows less than one failure in 4 s.
func TestFailuresLowRate(t *testing.T) {
	f, clock := newFailures(0.1, 0)
	a := f.Attempt("h", "c")
	if f.HostExhausted(a) {
		t.Error("exhausted without a failure")
	}
	f.Record(a)
	if !f.HostExhausted(a) {
		t.Error("not exhausted by one failure")
	}
	clock.move(10 * time.Second)
	if f.HostExhausted(a) {
		t.Error("still exhausted after 10 s")
	}
}

func TestFailuresWithoutLimit(t *testing.T) {
	for _, limits := range [][2]float64{{0, 0}, {1, 0}, {0, 1}} {
		f, _ := newFailures(limits[0], limits[1])
		fail(f, "h", "c", 10_000)
		a := f.Attempt("h", "c")
		if f.HostExhausted(a) != (limits[0] > 0) || f.CredentialExhausted(a) != (limits[1] > 0) {
			t.Errorf("limits %v: %v, %v", limits, f.HostExhausted(a), f.CredentialExhausted(a))
		}
		hosts, credentials := f.Size()
		if float64(hosts) != limits[0] || float64(credentials) != limits[1] {
			t.Errorf("limits %v: %d hosts, %d credentials", limits, hosts, credentials)
		}
	}
}

// The number of sources is bounded. A source that keeps failing is not evicted.
//
// Attack: a client fails with new credentials without end to exhaust usher's memory
// Held by: usher keeps a bounded number of failing sources, and evicts the one that failed least recently
func TestFailuresAreBounded(t *testing.T) {
	f, _ := newFailures(1, 1)
	fail(f, "loud", "wrong", burstSeconds)
	for i := range 5 * maxSources {
		s := strconv.Itoa(i)
		fail(f, "host-"+s, "credential-"+s, 1)
		if i%1000 == 0 {
			fail(f, "loud", "wrong", 1)
		}
	}
	if hosts, credentials := f.Size(); hosts != maxSources || credentials != maxSources {
		t.Errorf("%d hosts, %d credentials", hosts, credentials)
	}
	if a := f.Attempt("loud", "wrong"); !f.HostExhausted(a) || !f.CredentialExhausted(a) {
		t.Error("a source that keeps failing was evicted")
	}
}

// No concurrent failure is lost.
func TestFailuresConcurrently(t *testing.T) {
	f, _ := newFailures(1, 1)
	const keys = 500
	var all sync.WaitGroup
	for range burstSeconds {
		all.Go(func() {
			for i := range keys {
				s := strconv.Itoa(i)
				fail(f, s, s, 1)
				f.HostExhausted(f.Attempt(s, s))
				f.Size()
			}
		})
	}
	all.Wait()
	for i := range keys {
		s := strconv.Itoa(i)
		if a := f.Attempt(s, s); !f.HostExhausted(a) || !f.CredentialExhausted(a) {
			t.Errorf("a failure of %s is lost", s)
		}
	}
}

// The hash of a credential differs in each process.
func TestAttemptHashIsRandom(t *testing.T) {
	f, _ := newFailures(1, 1)
	g, _ := newFailures(1, 1)
	a := f.Attempt("h", "c")
	if a != f.Attempt("h", "c") {
		t.Error("the same attempt has two hashes")
	}
	if a == g.Attempt("h", "c") {
		t.Error("two processes have the same hash")
	}
}

func TestFailureChecksDoNotAllocate(t *testing.T) {
	f, _ := newFailures(1, 1)
	for _, failed := range []int{0, 1} {
		fail(f, "bad", "bad", failed)
		n := testing.AllocsPerRun(100, func() {
			a := f.Attempt("good", "good")
			if f.HostExhausted(a) || f.CredentialExhausted(a) {
				t.Error("exhausted")
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// Clients without a credential share no limit.
func TestNoCredentialIsNotLimited(t *testing.T) {
	f, _ := newFailures(1, 1)
	for range 100 {
		f.Record(f.Attempt("192.0.2.1", ""))
	}
	if f.CredentialExhausted(f.Attempt("192.0.2.2", "")) {
		t.Error("failures without a credential limit other hosts")
	}
	if !f.HostExhausted(f.Attempt("192.0.2.1", "good")) {
		t.Error("the failures do not count for the host")
	}
}

// BenchmarkFailures measures the checks of one request that does not fail.
func BenchmarkFailures(b *testing.B) {
	for name, failed := range map[string]bool{"no failures": false, "failures of others": true} {
		b.Run(name, func(b *testing.B) {
			f := New(Config{PerHost: 10, PerCredential: 1, Now: time.Now})
			if failed {
				f.Record(f.Attempt("192.0.2.2", "bad"))
			}
			b.ReportAllocs()
			for b.Loop() {
				a := f.Attempt("192.0.2.1", "good")
				if f.CredentialExhausted(a) || f.HostExhausted(a) {
					b.Fatal("exhausted")
				}
			}
		})
	}
}
