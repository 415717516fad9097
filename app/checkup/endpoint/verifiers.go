package endpoint

import (
	"context"
	"sync"
	"time"

	"usher/app/checkup/finding"
	"usher/internal/fault"
	"usher/tokens"
)

// verifierLimit is how long all backends of verifiers may take.
const verifierLimit = 5 * time.Second

// CheckVerifiers asks every backend of the verifiers once, and reports each.
func CheckVerifiers(ctx context.Context, f *finding.List, chain tokens.Chain) {
	ctx, cancel := context.WithTimeout(ctx, verifierLimit)
	defer cancel()
	var asking sync.WaitGroup
	for _, v := range chain {
		if o, ok := v.(tokens.Observable); ok {
			asking.Go(func() { ask(ctx, o) })
		}
	}
	asking.Wait()
	for _, v := range chain {
		if o, ok := v.(tokens.Observable); ok {
			report(f, o)
		}
	}
}

// ask returns once every backend of a verifier has been asked, or ctx ends. A verifier
// that asks its backends without a credential does so in its work between requests.
func ask(ctx context.Context, o tokens.Observable) {
	if p, ok := o.(tokens.Prober); ok {
		p.Probe(ctx)
		return
	}
	b, ok := o.(tokens.Background)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	defer running.Wait()
	defer cancel()
	const poll = 20 * time.Millisecond
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !allAsked(o.Status()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func allAsked(s tokens.Status) bool {
	for i := range s.Backends {
		if s.Backends[i].Requests == 0 || s.Backends[i].Waiting > 0 {
			return false
		}
	}
	return true
}

// report appends a finding for each backend.
func report(f *finding.List, o tokens.Observable) {
	const remedy = "does it run, is its address in credentials the right one, and has its certificate, if it has TLS, the name and the CA of credentials? " +
		"Until it is ready, its credentials are not decided; others are not affected"
	s := o.Status()
	for i := range s.Backends {
		b := &s.Backends[i]
		switch {
		case !b.Up || b.Open:
			f.Fail(fault.Runtime, "verifier", o.Name(), remedy, "%s is not ready: %s", b.Name, b.Error)
		case b.Waiting > 0:
			f.Fail(fault.Runtime, "verifier", o.Name(), remedy, "%s did not answer within %v", b.Name, verifierLimit)
		case b.Requests == 0:
			f.OK("verifier", o.Name(), "%s is asked with the first credential", b.Name)
		default:
			f.OK("verifier", o.Name(), "%s is ready", b.Name)
		}
	}
}
