package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/app/assembly"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/metrics"
	"usher/tokens"
)

// cached is a verifier with a backend, and a cache of identities.
type cached struct {
	status tokens.Status
	names  []string
}

var (
	_ tokens.Observable = (*cached)(nil)
	_ tokens.Forgetter  = (*cached)(nil)
)

func (*cached) Name() string { return "oidc:corp" }

func (*cached) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (c *cached) Status() tokens.Status { return c.status }

func (c *cached) Forget(match func(*identity.Identity) bool) {
	var kept []string
	for _, name := range c.names {
		if !match(&identity.Identity{Name: name}) {
			kept = append(kept, name)
		}
	}
	c.names = kept
}

// fixed is a directory that does not change.
type fixed struct {
	assembly.Store
	snapshot *snapshot.Snapshot
}

func (f fixed) Snapshot() *snapshot.Snapshot { return f.snapshot }

func serverWith(t *testing.T, v tokens.Verifier) *Server {
	t.Helper()
	store := fixed{snapshot: callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))}
	return &Server{Parts: &assembly.Parts{Decider: &callout.Decider{Chain: tokens.Chain{v}}, Store: store}}
}

// TestVerifierStates: the metrics show every backend and cache, and readiness names a
// backend that does not answer without being less ready.
func TestVerifierStates(t *testing.T) {
	srv := serverWith(t, &cached{status: tokens.Status{
		Backends: []tokens.BackendStatus{{Name: "keys", Error: "connection refused", Requests: 7, Failures: 3, Stale: 2, Waiting: 1, Open: true}, {Name: "userinfo", Up: true}},
		Caches:   []tokens.CacheStatus{{Name: "keys", Entries: 4, Max: 100, Hits: 5, Misses: 6}},
	}})
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
	if got := rec.Body.String(); rec.Code != 200 || got != "ok\nverifier oidc:corp: keys does not answer: connection refused\n" {
		t.Errorf("%d %s", rec.Code, got)
	}
}

// TestForgetIdentities: a change of the directory drops what verifiers have cached of the
// users that it names; one that names none drops everything.
func TestForgetIdentities(t *testing.T) {
	v := &cached{}
	srv := serverWith(t, v)
	user, ok := srv.Parts.Store.Snapshot().User("publisher")
	if !ok {
		t.Fatal("no user publisher")
	}
	for name, tt := range map[string]struct {
		change kv.Changed
		kept   string
	}{
		"one user":                {kv.Changed{Users: []uuid.UUID{user.ID}}, "consumer"},
		"nobody":                  {kv.Changed{}, "publisher consumer"},
		"a user who is gone":      {kv.Changed{Users: []uuid.UUID{uuid.New()}}, ""},
		"the whole bucket is new": {kv.Changed{Loaded: true}, ""},
	} {
		v.names = []string{"publisher", "consumer"}
		srv.forgetIdentities(srv.affectedBy(&tt.change))
		if kept := strings.Join(v.names, " "); kept != tt.kept {
			t.Errorf("%s: kept %q, want %q", name, kept, tt.kept)
		}
	}
}
