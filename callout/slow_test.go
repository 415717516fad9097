package callout_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
)

// backend is a slow verifier. The verifiers a and b both apply to a token "ab:ok". The
// last of them decides, as the text after the colon says. What follows a "#" makes the
// credential another one.
type backend struct {
	name          string
	unblock       chan struct{}             // close it to let Verify return
	ignoreContext bool                      // it does not stop when the context ends
	hook          func(ctx context.Context) // called by Verify; may be nil
	calls         atomic.Int32
}

var _ tokens.Slow = (*backend)(nil)

func newBackend(name string) *backend { return &backend{name: name, unblock: make(chan struct{})} }

func (b *backend) Name() string { return b.name }

func (b *backend) Slow(c *tokens.Credential) bool {
	kind, _, ok := strings.Cut(c.Token(), ":")
	return ok && strings.Contains(kind, b.name)
}

func (b *backend) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !b.Slow(c) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	b.calls.Add(1)
	if b.hook != nil {
		b.hook(ctx)
	}
	done := ctx.Done()
	if b.ignoreContext {
		done = nil
	}
	select {
	case <-b.unblock:
	case <-done:
		return identity.Identity{}, ctx.Err()
	}
	kind, result, _ := strings.Cut(c.Token(), ":")
	result, _, _ = strings.Cut(result, "#")
	switch {
	case !strings.HasSuffix(kind, b.name), result == "skip":
		return identity.Identity{}, tokens.ErrNotApplicable
	case result == "panic":
		panic("panic in a slow verifier")
	case result == "ok":
		return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory, Method: "slow"}, nil
	default:
		return identity.Identity{}, tokens.ErrRejected
	}
}

// waitFor waits until the backend has got n requests.
func (b *backend) waitFor(t *testing.T, n int32) {
	t.Helper()
	callouttest.Eventually(t, "requests at backend "+b.name, func() bool { return b.calls.Load() == n })
}

// newSlowEnv returns an environment with two workers, and with backends before the
// built-in verifiers. The budget is longer than the test.
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

// requestN sends n requests with a token. Those for a slow verifier are from many hosts
// with a credential each, so that no share of the slots matters.
func (i *impostor) requestN(t *testing.T, n int, token string) []pendingRequest {
	t.Helper()
	all := make([]pendingRequest, n)
	for at := range all {
		if strings.Contains(token, ":") {
			all[at] = i.request(t, fmt.Sprintf("10.0.0.%d", at), "", fmt.Sprintf("%s#%d", token, at))
		} else {
			all[at] = i.request(t, lightHost, "", token)
		}
	}
	return all
}

func expectGranted(t *testing.T, all ...pendingRequest) {
	t.Helper()
	for n, a := range all {
		if !a.granted() {
			t.Errorf("request %d is denied", n)
		}
	}
}

// waitShed waits until n requests have been shed with a code.
func (s testEnv) waitShed(t *testing.T, code string, n int) {
	t.Helper()
	callouttest.Eventually(t, "requests are shed: "+code, func() bool {
		return requests(t, s.service.Registry, callout.Shed, code) == float64(n)
	})
}

// While a slow verifier hangs and all its slots are taken, other credentials are
// served.
func TestSlowVerifierHangs(t *testing.T) {
	const slots, others, excess = 8, 40, 3
	b := newBackend("a")
	s, i := newSlowEnv(t, slots, b)
	waiting := i.requestN(t, slots, "a:ok")
	b.waitFor(t, slots)
	expectGranted(t, i.requestN(t, others, "publisher-key")...)
	s.connect(t, "publisher-key")
	if i.request(t, lightHost, "", "wrong").granted() {
		t.Error("a wrong key is granted")
	}
	busy := i.requestN(t, excess, "a:ok")
	s.waitShed(t, callout.CodeVerifierBusy, excess)
	expectGranted(t, i.requestN(t, others, "publisher-key")...)
	inFlight(t, s.service, slots)
	if n := gauge(t, s.service.Registry, "usher_requests_working"); n != slots {
		t.Errorf("%v requests are being decided", n)
	}
	close(b.unblock)
	expectGranted(t, waiting...)
	for _, a := range busy {
		a.silent(i.request(t, lightHost, "", "a:ok"))
	}
	if n := b.calls.Load(); n != slots+excess {
		t.Errorf("the backend got %d requests", n)
	}
}

// A request that waits for one slow verifier takes no slot of another, also if the
// first verifier did not apply.
func TestSlotsPerVerifier(t *testing.T) {
	a, b := newBackend("a"), newBackend("b")
	s, i := newSlowEnv(t, 2, a, b)
	waitingAtB := i.requestN(t, 2, "b:ok")
	b.waitFor(t, 2)
	waitingAtA := i.requestN(t, 2, "a:ok")
	a.waitFor(t, 2)
	busy := append(i.requestN(t, 1, "b:ok"), i.requestN(t, 1, "ab:ok")...)
	s.waitShed(t, callout.CodeVerifierBusy, 2)
	close(a.unblock)
	expectGranted(t, waitingAtA...)
	busy = append(busy, i.requestN(t, 1, "ab:ok")...) // a does not apply, and b is busy
	s.waitShed(t, callout.CodeVerifierBusy, 3)
	close(b.unblock)
	expectGranted(t, waitingAtB...)
	for _, request := range busy {
		request.silent(i.request(t, lightHost, "", "ab:ok"))
	}
	var verifiers []string
	callouttest.Eventually(t, "all requests are in the audit", func() bool {
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
		t.Errorf("busy verifiers: %s", got)
	}
}

// A request releases the slot of the first verifier before it waits for the second.
func TestSlotIsReleased(t *testing.T) {
	a, b := newBackend("a"), newBackend("b")
	close(a.unblock)
	_, i := newSlowEnv(t, 1, a, b)
	waitingAtB := i.requestN(t, 1, "ab:ok")
	b.waitFor(t, 1)
	for range 3 {
		expectGranted(t, i.requestN(t, 1, "a:ok")...)
	}
	close(b.unblock)
	expectGranted(t, waitingAtB...)
}

// A slow verifier decides like a fast one if it answers within the budget. The
// order of the chain is kept.
func TestSlowVerifierDecides(t *testing.T) {
	clock := &manualClock{start: time.Now()}
	a, b := newBackend("a"), newBackend("b")
	a.hook = func(context.Context) { clock.Advance(100 * time.Millisecond) }
	b.hook = a.hook
	close(a.unblock)
	close(b.unblock)
	cfg := slowConfig(4, a, b)
	cfg.Now = clock.Now
	s, i := newImpostorWith(t, false, cfg)
	s.service.SetDirectory(t, callouttest.WithDigests(strings.Replace(callouttest.DirectoryYAML,
		"KEY(publisher-key), id: laptop}", "KEY(publisher-key)}, {digest: KEY(a:skip)}, {digest: KEY(ab:skip)}, {digest: KEY(a:no)}", 1)))
	for _, tt := range []struct {
		token, code, verifier string
		verify                float64 // microseconds
	}{
		{"a:ok", "granted", "a", 100_000},
		{"a:no", "credential_rejected", "a", 100_000}, // the directory would grant it
		{"b:ok", "granted", "b", 100_000},
		{"ab:ok", "granted", "b", 200_000},
		{"ab:no", "credential_rejected", "b", 200_000},
		{"a:skip", "granted", "apikey", 100_000},
		{"ab:skip", "granted", "apikey", 200_000},
		{"ba:skip", "key_unknown", "apikey", 200_000},
	} {
		t.Run(tt.token, func(t *testing.T) {
			before := len(s.service.Settled(t))
			granted := i.request(t, lightHost, "", tt.token).granted()
			callouttest.Eventually(t, "the request is in the audit", func() bool { return len(s.service.Events(t)) > before })
			e := latest(s.service.Events(t))
			if granted != (tt.code == "granted") || e.Text("code") != tt.code || e.Text("verifier") != tt.verifier {
				t.Errorf("granted: %v, event %v", granted, e)
			}
			if took, _ := e["duration_us"].(map[string]any)["verify"].(float64); took != tt.verify {
				t.Errorf("verify took %v µs", took)
			}
		})
	}
}

// The late decision of a slow verifier is not sent, whether the verifier stops with
// its context or not. Its slot is free again.
func TestSlowVerifierTooLate(t *testing.T) {
	t.Parallel() // mostly waits
	a, b := newBackend("a"), newBackend("b")
	b.ignoreContext = true
	b.hook = func(ctx context.Context) {
		if b.calls.Load() == 1 {
			<-ctx.Done()
		}
	}
	cfg := slowConfig(1, a, b)
	cfg.Budget = shortBudget
	s, i := newImpostorWith(t, false, cfg)
	unanswered := i.requestN(t, 1, "a:ok")
	s.waitShed(t, callout.CodeTooLate, 1)
	unanswered = append(unanswered, i.requestN(t, 1, "a:ok")...)
	s.waitShed(t, callout.CodeTooLate, 2)

	unanswered = append(unanswered, i.requestN(t, 1, "b:ok")...)
	b.waitFor(t, 1)
	unanswered = append(unanswered, i.requestN(t, 1, "b:ok")...)
	s.waitShed(t, callout.CodeVerifierBusy, 1) // the slot is taken until Verify returns
	close(b.unblock)
	s.waitShed(t, callout.CodeTooLate, 3)
	for _, request := range unanswered {
		request.silent(i.request(t, lightHost, "", "publisher-key"))
	}
	expectGranted(t, i.requestN(t, 1, "b:ok")...)
}

// A panic in a slow verifier affects one request only.
//
// Attack: a request that makes usher panic is granted
// Held by: usher recovers from the panic and does not answer the request
func TestSlowVerifierPanics(t *testing.T) {
	a := newBackend("a")
	close(a.unblock)
	s, i := newSlowEnv(t, 1, a)
	for n := range 3 {
		failed := i.request(t, lightHost, "", "a:panic")
		callouttest.Eventually(t, "the panic is in the metrics", func() bool {
			return requests(t, s.service.Registry, callout.Unavailable, callout.CodeInternal) == float64(n+1)
		})
		failed.silent(i.request(t, lightHost, "", "a:ok"))
	}
	if !strings.Contains(s.service.Log.String(), "panic in a slow verifier") {
		t.Error("the panic is not in the log")
	}
}

// faulty is a fast verifier that panics for the token "faulty".
type faulty struct{}

func (faulty) Name() string { return "faulty" }

func (faulty) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if c.Token() == "faulty" {
		panic("panic in a fast verifier")
	}
	return identity.Identity{}, tokens.ErrNotApplicable
}

// A verifier that panics also panics where usher only wants to know whether a request
// would be granted: for credentials and hosts that have failed too often.
//
// Attack: a request that makes usher panic is repeated until it stops usher
// Held by: usher recovers from a panic wherever a verifier is asked
func TestPanicsWhereFailuresAreLimited(t *testing.T) {
	const attempts = 30
	for name, cfg := range map[string]callouttest.ServiceConfig{
		"by credential": {FailuresPerCredential: 0.1}, "by host": {FailuresPerHost: 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Verifiers = []tokens.Verifier{faulty{}}
			s, i := newImpostorWith(t, false, cfg)
			for _, request := range i.requestN(t, attempts, "faulty") {
				request.silent(i.request(t, lightHost, "", "publisher-key"))
			}
			callouttest.Eventually(t, "every panic is in the metrics", func() bool {
				return requests(t, s.service.Registry, callout.Unavailable, callout.CodeInternal) == attempts
			})
			inFlight(t, s.service, 0)
		})
	}
}

// Drain waits for requests at slow verifiers.
func TestDrainWaitsForSlowVerifiers(t *testing.T) {
	a := newBackend("a")
	s, i := newSlowEnv(t, 4, a)
	waiting := i.requestN(t, 4, "a:ok")
	a.waitFor(t, 4)
	stopped := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { stopped <- s.service.Drain(ctx) }()
	callouttest.Eventually(t, "the service is draining", func() bool { return s.service.Ready() != nil })
	select {
	case err := <-stopped:
		t.Fatalf("Drain returned: %v", err)
	case <-time.After(300 * time.Millisecond): // much longer than leaving the queue group takes
	}
	close(a.unblock)
	expectGranted(t, waiting...)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// When the context of Drain ends, the requests at slow verifiers are not answered, and
// Drain does not wait for verifiers that ignore their context.
func TestDrainTimeout(t *testing.T) {
	for name, ignoreContext := range map[string]bool{"verifier stops": false, "verifier ignores its context": true} {
		t.Run(name, func(t *testing.T) {
			a := newBackend("a")
			a.ignoreContext = ignoreContext
			s, i := newSlowEnv(t, 4, a)
			waiting := i.requestN(t, 3, "a:ok")
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
			if timedOut := strings.Contains(err.Error(), "timed out"); timedOut != ignoreContext {
				t.Errorf("timed out: %v, %v", timedOut, err)
			}
			if ignoreContext {
				close(a.unblock)
				inFlight(t, s.service, 0)
			}
			callouttest.Must(t, i.nc.FlushTimeout(testTimeout))
			for n, w := range waiting {
				if got, _, err := w.answers.Pending(); got != 0 || err != nil {
					t.Errorf("request %d is answered: %d, %v", n, got, err)
				}
			}
		})
	}
}

// counting is a fast verifier that computes until the test lets it go on, and counts
// how many requests it verifies at once.
type counting struct {
	now, most atomic.Int32
	pass      chan struct{} // one receive for each request
}

func (*counting) Name() string { return "counting" }

func (c *counting) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	<-c.pass
	return identity.Identity{}, tokens.ErrNotApplicable
}

// No more requests compute at once than there are CPU slots, also when many come back
// from a slow verifier together, and on several connections.
func TestCPUSlots(t *testing.T) {
	const workers, waiting = 2, 40
	a, c := newBackend("a"), &counting{pass: make(chan struct{})}
	cfg := slowConfig(waiting, a)
	cfg.Workers, cfg.Connections = workers, 3
	cfg.Verifiers = append(cfg.Verifiers, c)
	_, i := newImpostorWith(t, false, cfg)
	all := i.requestN(t, waiting, "a:skip")
	a.waitFor(t, waiting)
	all = append(all, i.requestN(t, waiting, "wrong")...)
	callouttest.Eventually(t, "all CPU slots are taken", func() bool { return c.now.Load() == workers })
	close(a.unblock)
	for range all {
		c.pass <- struct{}{}
	}
	for _, request := range all {
		if request.granted() {
			t.Error("granted")
		}
	}
	if most := c.most.Load(); most != workers {
		t.Errorf("%d requests computed at once, want %d", most, workers)
	}
}

// A request that waits for two verifiers gives the slot of the window back once, so
// that the window keeps its bound.
func TestTwoWaitsReleaseOneSlot(t *testing.T) {
	const n = 20
	a, b := newBackend("a"), newBackend("b")
	close(a.unblock)
	s, i := newSlowEnv(t, n, a, b)
	waiting := i.requestN(t, n, "ab:ok")
	b.waitFor(t, n)
	if used := s.service.Load().InUse; used != 0 {
		t.Errorf("%d slots of the window are in use while all requests wait", used)
	}
	close(b.unblock)
	expectGranted(t, waiting...)
	callouttest.Eventually(t, "all slots of the window are free", func() bool { return s.service.Load().InUse == 0 })
}
