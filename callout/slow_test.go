package callout_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
)

// backend is a slow verifier. A token "ab:ok" is of interest to the verifiers a
// and b; the last of them decides what stands behind the colon.
type backend struct {
	name  string
	open  chan struct{}             // closed: it answers
	deaf  bool                      // it does not notice that nobody waits any more
	takes func(ctx context.Context) // may be nil
	asked atomic.Int32
}

var _ tokens.Slow = (*backend)(nil)

func newBackend(name string) *backend { return &backend{name: name, open: make(chan struct{})} }

func (b *backend) Name() string { return b.name }

func (b *backend) Slow(c *tokens.Credential) bool {
	kind, _, ok := strings.Cut(c.Token(), ":")
	return ok && strings.Contains(kind, b.name)
}

func (b *backend) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !b.Slow(c) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	b.asked.Add(1)
	if b.takes != nil {
		b.takes(ctx)
	}
	gone := ctx.Done()
	if b.deaf {
		gone = nil
	}
	select {
	case <-b.open:
	case <-gone:
		return identity.Identity{}, ctx.Err()
	}
	kind, says, _ := strings.Cut(c.Token(), ":")
	switch {
	case !strings.HasSuffix(kind, b.name), says == "skip":
		return identity.Identity{}, tokens.ErrNotApplicable
	case says == "panic":
		panic("a slow verifier has a fault")
	case says == "ok":
		return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory, Method: "slow"}, nil
	default:
		return identity.Identity{}, tokens.ErrRejected
	}
}

// waitFor waits until n requests have been at the backend.
func (b *backend) waitFor(t *testing.T, n int32) {
	t.Helper()
	callouttest.Eventually(t, "the backend "+b.name+" is asked", func() bool { return b.asked.Load() == n })
}

// newSlowEnv has two workers, and verifiers before the usual ones. The budget
// is longer than the test.
func newSlowEnv(t *testing.T, waiters int, backends ...*backend) (testEnv, *impostor) {
	t.Helper()
	return newImpostorWith(t, false, slowConfig(waiters, backends...))
}

func slowConfig(waiters int, backends ...*backend) callouttest.ServiceConfig {
	cfg := callouttest.ServiceConfig{Workers: 2, Waiters: waiters, Budget: time.Minute}
	for _, b := range backends {
		cfg.Verifiers = append(cfg.Verifiers, b)
	}
	return cfg
}

// asks sends n requests with a token.
func (i *impostor) asks(t *testing.T, n int, token string) []asked {
	t.Helper()
	all := make([]asked, n)
	for at := range all {
		all[at] = i.ask(t, lightHost, "", token)
	}
	return all
}

func expectGranted(t *testing.T, all ...asked) {
	t.Helper()
	for n, a := range all {
		if !a.granted() {
			t.Errorf("%d is denied", n)
		}
	}
}

// shed waits until n requests have been shed with a code.
func (s testEnv) shed(t *testing.T, code string, n int) {
	t.Helper()
	callouttest.Eventually(t, "requests are shed: "+code, func() bool {
		return requests(t, s.service.Registry, callout.Shed, code) == float64(n)
	})
}

// While a slow verifier hangs, with every place that there is taken, all others
// get in.
func TestSlowVerifierHangs(t *testing.T) {
	const places, others, more = 8, 40, 3
	b := newBackend("a")
	s, i := newSlowEnv(t, places, b)
	waiting := i.asks(t, places, "a:ok")
	b.waitFor(t, places)
	expectGranted(t, i.asks(t, others, "publisher-key")...)
	s.connect(t, "publisher-key")
	if i.ask(t, lightHost, "", "wrong").granted() {
		t.Error("a wrong key is granted")
	}
	busy := i.asks(t, more, "a:ok")
	s.shed(t, callout.CodeVerifierBusy, more)
	expectGranted(t, i.asks(t, others, "publisher-key")...)
	inFlight(t, s.service, places)
	if n := gauge(t, s.service.Registry, "usher_requests_working"); n != places {
		t.Errorf("%v are at work", n)
	}
	close(b.open)
	expectGranted(t, waiting...)
	for _, a := range busy {
		a.silent(i.ask(t, lightHost, "", "a:ok"))
	}
	if n := b.asked.Load(); n != places+more {
		t.Errorf("it was asked %d times", n)
	}
}

// Who waits for one does not take a place of another, also if the first has said
// that it is not for it.
func TestPlacesAreOfOneVerifier(t *testing.T) {
	a, b := newBackend("a"), newBackend("b")
	s, i := newSlowEnv(t, 2, a, b)
	atB := i.asks(t, 2, "b:ok")
	b.waitFor(t, 2)
	atA := i.asks(t, 2, "a:ok")
	a.waitFor(t, 2)
	busy := append(i.asks(t, 1, "b:ok"), i.asks(t, 1, "ab:ok")...)
	s.shed(t, callout.CodeVerifierBusy, 2)
	close(a.open)
	expectGranted(t, atA...)
	busy = append(busy, i.asks(t, 1, "ab:ok")...) // a sends it on, and b is full
	s.shed(t, callout.CodeVerifierBusy, 3)
	close(b.open)
	expectGranted(t, atB...)
	for _, one := range busy {
		one.silent(i.ask(t, lightHost, "", "ab:ok"))
	}
	var verifiers []string
	callouttest.Eventually(t, "all are in the audit", func() bool {
		verifiers = nil
		for _, e := range s.service.Events(t) {
			if e.Text("code") == callout.CodeVerifierBusy {
				name, _, _ := strings.Cut(e.Text("cause"), ":")
				verifiers = append(verifiers, name)
			}
		}
		return len(verifiers) >= 3
	})
	if got := strings.Join(verifiers, ""); got != "bab" && got != "abb" {
		t.Errorf("busy were %s", got)
	}
}

// Who was sent on holds no place of the first while it waits for the second.
func TestPlaceIsLeft(t *testing.T) {
	a, b := newBackend("a"), newBackend("b")
	close(a.open)
	_, i := newSlowEnv(t, 1, a, b)
	atB := i.asks(t, 1, "ab:ok")
	b.waitFor(t, 1)
	for range 3 {
		expectGranted(t, i.asks(t, 1, "a:ok")...)
	}
	close(b.open)
	expectGranted(t, atB...)
}

// What a slow verifier says within the budget is what others would have to say,
// and the order of the chain holds.
func TestSlowVerifierDecides(t *testing.T) {
	clock := &manualClock{start: time.Now()}
	a, b := newBackend("a"), newBackend("b")
	a.takes = func(context.Context) { clock.Advance(100 * time.Millisecond) }
	b.takes = a.takes
	close(a.open)
	close(b.open)
	cfg := slowConfig(4, a, b)
	cfg.Now = clock.Now
	s, i := newImpostorWith(t, false, cfg)
	s.service.SetDirectory(t, callouttest.WithDigests(strings.Replace(callouttest.DirectoryYAML,
		"KEY(publisher-key), id: laptop}", "KEY(publisher-key)}, {digest: KEY(a:skip)}, {digest: KEY(ab:skip)}, {digest: KEY(a:no)}", 1)))
	for _, tt := range []struct {
		token, code, verifier string
		takes                 float64
	}{
		{"a:ok", "granted", "a", 100_000},
		{"a:no", "credential_rejected", "a", 100_000}, // which the directory would have granted
		{"b:ok", "granted", "b", 100_000},
		{"ab:ok", "granted", "b", 200_000},
		{"ab:no", "credential_rejected", "b", 200_000},
		{"a:skip", "granted", "apikey", 100_000},
		{"ab:skip", "granted", "apikey", 200_000},
		{"ba:skip", "key_unknown", "apikey", 200_000},
	} {
		t.Run(tt.token, func(t *testing.T) {
			before := len(s.service.Events(t))
			granted := i.ask(t, lightHost, "", tt.token).granted()
			callouttest.Eventually(t, "it is in the audit", func() bool { return len(s.service.Events(t)) > before })
			e := latest(s.service.Events(t))
			if granted != (tt.code == "granted") || e.Text("code") != tt.code || e.Text("verifier") != tt.verifier {
				t.Errorf("granted: %v, event %v", granted, e)
			}
			if took, _ := e["duration_us"].(map[string]any)["verify"].(float64); took != tt.takes {
				t.Errorf("verifying took %v µs", took)
			}
		})
	}
}

// What a slow verifier says too late is not sent, whether it notices or not, and
// its place is free again.
func TestSlowVerifierIsTooLate(t *testing.T) {
	t.Parallel() // it waits, and so do others
	a, b := newBackend("a"), newBackend("b")
	b.deaf = true
	b.takes = func(ctx context.Context) {
		if b.asked.Load() == 1 {
			<-ctx.Done()
		}
	}
	cfg := slowConfig(1, a, b)
	cfg.Budget = shortBudget
	s, i := newImpostorWith(t, false, cfg)
	late := i.asks(t, 1, "a:ok")
	s.shed(t, callout.CodeTooLate, 1)
	late = append(late, i.asks(t, 1, "a:ok")...)
	s.shed(t, callout.CodeTooLate, 2)

	late = append(late, i.asks(t, 1, "b:ok")...)
	b.waitFor(t, 1)
	late = append(late, i.asks(t, 1, "b:ok")...)
	s.shed(t, callout.CodeVerifierBusy, 1) // its place is taken for as long as it takes
	close(b.open)
	s.shed(t, callout.CodeTooLate, 3)
	for _, one := range late {
		one.silent(i.ask(t, lightHost, "", "publisher-key"))
	}
	expectGranted(t, i.asks(t, 1, "b:ok")...)
}

// A fault in a slow verifier is one request's, and not the service's.
//
// Attack: a fault of usher's own lets somebody in
// Held by: silence, never a grant
func TestSlowVerifierPanics(t *testing.T) {
	a := newBackend("a")
	close(a.open)
	s, i := newSlowEnv(t, 1, a)
	for n := range 3 {
		failed := i.ask(t, lightHost, "", "a:panic")
		callouttest.Eventually(t, "the fault is in the audit", func() bool {
			return requests(t, s.service.Registry, callout.Unavailable, callout.CodeInternal) == float64(n+1)
		})
		failed.silent(i.ask(t, lightHost, "", "a:ok"))
	}
	if !strings.Contains(s.service.Log.String(), "a slow verifier has a fault") {
		t.Error("the log does not say so")
	}
}

// Drain waits for those that wait.
func TestDrainWaitsForSlowVerifiers(t *testing.T) {
	a := newBackend("a")
	s, i := newSlowEnv(t, 4, a)
	waiting := i.asks(t, 4, "a:ok")
	a.waitFor(t, 4)
	stopped := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { stopped <- s.service.Drain(ctx) }()
	callouttest.Eventually(t, "the service is draining", func() bool { return s.service.Ready() != nil })
	select {
	case err := <-stopped:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond): // much more than it takes to leave
	}
	close(a.open)
	expectGranted(t, waiting...)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// When its context ends, it abandons them, expectNoAnswer; and leaves those behind
// that do not notice.
func TestDrainAbandonsSlowVerifiers(t *testing.T) {
	for name, deaf := range map[string]bool{"they notice": false, "they do not": true} {
		t.Run(name, func(t *testing.T) {
			a := newBackend("a")
			a.deaf = deaf
			s, i := newSlowEnv(t, 4, a)
			waiting := i.asks(t, 3, "a:ok")
			a.waitFor(t, 3)
			ctx, cancel := context.WithCancel(t.Context())
			stopped := make(chan error)
			go func() { stopped <- s.service.Drain(ctx) }()
			callouttest.Eventually(t, "the service is draining", func() bool { return s.service.Ready() != nil })
			cancel()
			err := <-stopped
			if err == nil || !strings.Contains(err.Error(), "3 requests were not answered") {
				t.Errorf("drain: %v", err)
			}
			if behind := strings.Contains(err.Error(), "timed out"); behind != deaf {
				t.Errorf("timed out: %v, %v", behind, err)
			}
			if deaf {
				close(a.open)
				inFlight(t, s.service, 0)
			}
			callouttest.Must(t, i.nc.FlushTimeout(testTimeout))
			for n, w := range waiting {
				if got, _, err := w.answers.Pending(); got != 0 || err != nil {
					t.Errorf("%d is answered: %d, %v", n, got, err)
				}
			}
		})
	}
}
