package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/app/assembly"
	"usher/callout"
	"usher/identity"
	"usher/internal/metrics"
	"usher/tokens"
)

// observable is a verifier with a backend and a cache.
type observable struct{ status tokens.Status }

var _ tokens.Observable = (*observable)(nil)

func (*observable) Name() string { return "oidc:corp" }

func (*observable) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (c *observable) Status() tokens.Status { return c.status }

// TestVerifierStates: the metrics show every backend and cache, and readiness names a
// backend that does not answer without being less ready.
func TestVerifierStates(t *testing.T) {
	srv := &Server{Parts: &assembly.Parts{Decider: &callout.Decider{Chain: tokens.Chain{&observable{status: tokens.Status{
		Backends: []tokens.BackendStatus{{Name: "keys", Error: "connection refused", Requests: 7, Failures: 3, Stale: 2, Waiting: 1, Open: true}, {Name: "userinfo", Up: true}},
		Caches:   []tokens.CacheStatus{{Name: "keys", Entries: 4, Max: 100, Hits: 5, Misses: 6}},
	}}}}}}
	reg := prometheus.NewRegistry()
	metrics.RegisterState(reg, srv.verifierStates()...)
	const labels = `backend="keys",verifier="oidc:corp"`
	scrape := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`usher_verifier_backend_up{` + labels + `} 0`,
		`usher_verifier_backend_breaker_open{` + labels + `} 1`,
		`usher_verifier_backend_waiting{` + labels + `} 1`,
		`usher_verifier_backend_requests_total{` + labels + `} 7`,
		`usher_verifier_backend_failures_total{` + labels + `} 3`,
		`usher_verifier_backend_stale_total{` + labels + `} 2`,
		`usher_verifier_cache_entries{cache="keys",verifier="oidc:corp"} 4`,
		`usher_verifier_cache_max{cache="keys",verifier="oidc:corp"} 100`,
		`usher_verifier_cache_hits_total{cache="keys",verifier="oidc:corp"} 5`,
		`usher_verifier_cache_misses_total{cache="keys",verifier="oidc:corp"} 6`,
	} {
		if got := scrape.Body.String(); !strings.Contains(got, want+"\n") {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	rec := httptest.NewRecorder()
	probe(rec, nil, srv.verifierDetail())
	if got := rec.Body.String(); rec.Code != 200 || got != "ok\nverifier oidc:corp: keys is not ready: connection refused\n" {
		t.Errorf("%d %s", rec.Code, got)
	}
}
