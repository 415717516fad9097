package tokens

import (
	"context"

	"usher/identity"
)

// Background is a Verifier with work between requests, such as fetching keys before they
// are needed.
type Background interface {
	Verifier
	// Run works until ctx ends. Verify works without it, but may have to wait.
	Run(ctx context.Context)
}

// Observable is a Verifier with backends or caches. Metrics, readiness and "usher check"
// show them.
type Observable interface {
	Verifier
	Status() Status
}

// Prober is an Observable that can ask its backends without the credential of a client,
// for "usher check".
type Prober interface {
	Observable
	// Probe asks every backend once, within ctx, and does not read caches. Status shows the
	// results.
	Probe(ctx context.Context)
}

// Forgetter is a Verifier with a cache of identities.
type Forgetter interface {
	Verifier
	// Forget removes the identities from the cache that match accepts, and the refusals; the
	// identity of a refusal may be zero. match returns at once and calls no verifier.
	Forget(match func(*identity.Identity) bool)
}

// Status is the state of a verifier.
type Status struct {
	Backends []BackendStatus
	Caches   []CacheStatus
}

// BackendStatus is the state of another system that a verifier asks, such as an identity
// provider.
type BackendStatus struct {
	Name     string // of the configuration
	Up       bool   // the last request succeeded, or none was necessary yet
	Error    string // of the last request, without secrets; empty: it succeeded
	Requests uint64 // in all
	Failures uint64 // of them
	Stale    uint64 // answers that were used past their age, because it gave none
	Waiting  int    // requests that wait for an answer
	Open     bool   // the circuit breaker is open: usher does not ask
}

// CacheStatus is the state of a cache.
type CacheStatus struct {
	Name         string // of the configuration
	Entries, Max int
	Hits, Misses uint64
}
