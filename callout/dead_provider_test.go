package callout_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
	providers "usher/tokens/backend"
)

// opaque is a verifier that asks an identity provider about tokens that begin with
// "opaque-". The provider accepts all of them, or hangs.
type opaque struct {
	backend *providers.Backend
	client  *http.Client
	url     string
	hangs   atomic.Bool
	asked   atomic.Int32 // requests that have reached the provider
}

var _ tokens.Slow = (*opaque)(nil)

// newOpaque starts a provider, and returns the verifier that asks it. Neither its timeout
// nor its circuit breaker ends the wait before the client does.
func newOpaque(tb testing.TB) *opaque {
	tb.Helper()
	o := &opaque{backend: providers.New(providers.Config{
		Name: "provider", Timeout: time.Minute, Concurrency: 1 << 16, Breaker: providers.Breaker{Failures: 1 << 30}, Now: time.Now,
	})}
	end := make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		if !o.hangs.Load() {
			return
		}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	}))
	tb.Cleanup(func() { close(end); provider.Close() })
	var err error
	o.client, err = providers.NewHTTPClient(providers.HTTPConfig{Timeout: time.Minute})
	callouttest.Must(tb, err)
	o.url = provider.URL
	return o
}

func (*opaque) Name() string { return "introspection:dead" }

func (*opaque) Slow(c *tokens.Credential) bool { return strings.HasPrefix(c.Token(), "opaque-") }

func (o *opaque) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !o.Slow(c) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	answer, err := o.backend.Ask(ctx, providers.Key(o.Name(), c.Token()), func(ctx context.Context) (providers.Answer, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, strings.NewReader(c.Token()))
		if err != nil {
			return providers.Answer{}, err
		}
		resp, err := o.client.Do(req)
		if err != nil {
			return providers.Answer{}, err
		}
		return providers.Answer{Identity: identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory}}, resp.Body.Close()
	})
	return answer.Identity, err
}

// deadProvider is a server and a service, one of whose verifiers asks a provider that can
// hang.
type deadProvider struct {
	server   *callouttest.Server
	service  *callouttest.Service
	verifier *opaque
	sent     atomic.Int32
}

func newDeadProvider(tb testing.TB) *deadProvider {
	tb.Helper()
	d := &deadProvider{verifier: newOpaque(tb)}
	keys := callouttest.NewKeys(tb)
	d.server = callouttest.StartServer(tb, callouttest.ServerConfig{Keys: keys})
	d.service = callouttest.StartService(tb, callouttest.ServiceConfig{
		URLs: d.server.URL(), Keyring: callouttest.KeyringDir(tb, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Connections: 4, Workers: 4, Waiters: 1024, Verifiers: []tokens.Verifier{d.verifier},
	})
	return d
}

// connect connects once, and returns how long that took.
func (d *deadProvider) connect(token string, timeout time.Duration) (time.Duration, error) {
	start := time.Now()
	nc, err := nats.Connect(d.server.URL(), nats.Token(token), nats.Timeout(timeout), nats.NoReconnect())
	took := time.Since(start)
	if err == nil {
		nc.Close()
	}
	return took, err
}

// connectOpaque connects with a token that only the provider knows. It returns once the
// client is connected or has given up, and reports whether it is connected.
func (d *deadProvider) connectOpaque(patience time.Duration) bool {
	_, err := d.connect(fmt.Sprintf("opaque-%d", d.sent.Add(1)), patience)
	return err == nil
}

// TestDeadProvider: while an identity provider hangs and requests wait for it, everybody
// who presents an API key is let in.
func TestDeadProvider(t *testing.T) {
	t.Parallel() // mostly waits
	const clients = 60
	d := newDeadProvider(t)
	if !d.connectOpaque(4 * testTimeout) {
		t.Fatal("a token that the provider knows is denied")
	}
	d.verifier.hangs.Store(true)
	stuck := func() {
		if d.connectOpaque(2 * time.Second) {
			t.Error("a token that nobody has verified is granted")
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range clients {
		all.Go(stuck)
	}
	callouttest.Eventually(t, "requests wait for the provider", func() bool { return d.verifier.asked.Load() == clients+1 })
	for range clients {
		all.Go(stuck)
		all.Go(func() {
			if _, err := d.connect("publisher-key", 4*testTimeout); err != nil {
				t.Errorf("an API key: %v", err)
			}
		})
	}
	all.Wait()
	for _, code := range []string{callout.CodeQueueFull, callout.CodeVerifierBusy, callout.CodeFailing} {
		if n := requests(t, d.service.Registry, callout.Shed, code); n != 0 {
			t.Errorf("%v requests were shed: %s", n, code)
		}
	}
}

// BenchmarkDeadProvider measures the connects of clients with API keys at a steady rate,
// while as many others present tokens that usher asks a provider about: one that answers
// and one that hangs, by turns. x-answering is the 99th percentile of the API keys with
// the one that hangs, divided by that with the one that answers; x-alone is divided by
// that without other clients.
func BenchmarkDeadProvider(b *testing.B) {
	const (
		rounds   = 4
		connects = 150 // a round, of each kind
		interval = 10 * time.Millisecond
		patience = 2 * time.Second
	)
	d := newDeadProvider(b)
	failed := 0
	round := func(others, hang bool) (took []time.Duration) {
		d.verifier.hangs.Store(hang)
		var all sync.WaitGroup
		var mu sync.Mutex
		tick := time.NewTicker(interval)
		defer tick.Stop()
		before := 0
		if hang {
			before = int(patience / interval) // until as many wait as will
		}
		for n := range before + connects {
			<-tick.C
			if others {
				all.Go(func() { d.connectOpaque(patience) })
			}
			if n < before {
				continue
			}
			all.Go(func() {
				t, err := d.connect("publisher-key", 2*testTimeout)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed++
				}
				took = append(took, t)
			})
		}
		all.Wait()
		return took
	}
	for b.Loop() {
		var alone, answering, hanging []time.Duration
		for range rounds {
			alone = append(alone, round(false, false)...)
			answering = append(answering, round(true, false)...)
			hanging = append(hanging, round(true, true)...)
		}
		p99 := func(all []time.Duration) float64 {
			slices.Sort(all)
			return float64(all[len(all)*99/100]) / float64(time.Millisecond)
		}
		b.ReportMetric(p99(hanging)/p99(answering), "x-answering")
		b.ReportMetric(p99(hanging)/p99(alone), "x-alone")
		b.ReportMetric(p99(hanging), "ms-hanging")
		b.ReportMetric(float64(failed), "failed")
	}
}
