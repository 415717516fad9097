package endpoint

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/identity"
	"usher/internal/fault"
	"usher/tokens"
)

// verifier shows a status. Its work between requests asks the backend; so does probing.
type verifier struct {
	name  string
	asked atomic.Bool
	after tokens.BackendStatus // once asked
	ended chan struct{}        // closed when its work has ended
}

var _ tokens.Background = (*verifier)(nil)

func (v *verifier) Name() string { return v.name }

func (*verifier) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (v *verifier) Status() tokens.Status {
	s := tokens.BackendStatus{Name: "keys", Up: true}
	if v.asked.Load() {
		s = v.after
	}
	return tokens.Status{Backends: []tokens.BackendStatus{s}}
}

func (v *verifier) Run(ctx context.Context) {
	defer close(v.ended)
	v.asked.Store(true)
	<-ctx.Done()
}

// prober is a verifier without work between requests.
type prober struct{ v verifier }

var _ tokens.Prober = (*prober)(nil)

func (p *prober) Name() string { return p.v.name }

func (p *prober) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	return p.v.Verify(ctx, c)
}

func (p *prober) Status() tokens.Status { return p.v.Status() }

func (p *prober) Probe(context.Context) { p.v.asked.Store(true) }

// idle is a verifier whose backend nobody can ask without a credential.
type idle struct{ tokens.Observable }

func TestCheckVerifiers(t *testing.T) {
	const name = "keys"
	good := &verifier{name: "good", after: tokens.BackendStatus{Name: name, Up: true, Requests: 1}, ended: make(chan struct{})}
	bad := &verifier{name: "bad", after: tokens.BackendStatus{Name: name, Error: "connection refused", Requests: 1, Failures: 1}, ended: make(chan struct{})}
	hangs := &verifier{name: "hangs", after: tokens.BackendStatus{Name: name, Up: true, Requests: 1, Waiting: 1}, ended: make(chan struct{})}
	probed := &prober{verifier{name: "probed", after: tokens.BackendStatus{Name: name, Open: true, Error: "500", Requests: 1}}}
	silent := idle{&prober{verifier{name: "idle"}}}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // for the one that hangs
	defer cancel()
	var f finding.List
	CheckVerifiers(ctx, &f, tokens.Chain{good, bad, hangs, probed, silent})
	for _, v := range []*verifier{good, bad, hangs} {
		<-v.ended // before CheckVerifiers returned, or the test would hang
	}
	findingtest.Holds(t, f, fault.None, "verifier", finding.OK, "keys is ready")
	findingtest.Holds(t, f, fault.Runtime, "verifier", finding.Error, "keys is not ready: connection refused")
	findingtest.Holds(t, f, fault.Runtime, "verifier", finding.Error, "keys did not answer within 5s")
	findingtest.Holds(t, f, fault.Runtime, "verifier", finding.Error, "keys is not ready: 500")
	findingtest.Holds(t, f, fault.None, "verifier", finding.OK, "keys is asked with the first credential")
	if len(f) != 5 {
		t.Errorf("%d findings", len(f))
	}
}
