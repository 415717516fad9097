package server

import (
	"fmt"
	"strings"

	"usher/internal/metrics"
	"usher/internal/secret"
	"usher/tokens"
)

// verifierStates are the metrics of the backends and caches of verifiers. There are no
// more than the configuration names.
func (srv *Server) verifierStates() []metrics.State {
	backend := func(name, help string, counter bool, read func(*tokens.BackendStatus) float64) metrics.State {
		return metrics.State{
			Name: "usher_verifier_" + name, Help: help, Counter: counter, Labels: []string{"verifier", "backend"},
			Read: func() (all []metrics.Sample) {
				srv.eachStatus(func(verifier string, s *tokens.Status) {
					for i := range s.Backends {
						all = append(all, metrics.Sample{Labels: []string{verifier, s.Backends[i].Name}, Value: read(&s.Backends[i])})
					}
				})
				return all
			},
		}
	}
	cache := func(name, help string, counter bool, read func(*tokens.CacheStatus) float64) metrics.State {
		return metrics.State{
			Name: "usher_verifier_cache_" + name, Help: help, Counter: counter, Labels: []string{"verifier", "cache"},
			Read: func() (all []metrics.Sample) {
				srv.eachStatus(func(verifier string, s *tokens.Status) {
					for i := range s.Caches {
						all = append(all, metrics.Sample{Labels: []string{verifier, s.Caches[i].Name}, Value: read(&s.Caches[i])})
					}
				})
				return all
			},
		}
	}
	return []metrics.State{
		backend("backend_up", "1 if the last request to the backend of a verifier succeeded, or none was necessary yet; otherwise 0.", false,
			func(s *tokens.BackendStatus) float64 { return oneIf(s.Up) }),
		backend("backend_breaker_open", "1 while the circuit breaker is open: the backend failed too often, and usher does not ask it.", false,
			func(s *tokens.BackendStatus) float64 { return oneIf(s.Open) }),
		backend("backend_waiting", "Requests that wait for an answer of the backend.", false,
			func(s *tokens.BackendStatus) float64 { return float64(s.Waiting) }),
		backend("backend_requests_total", "Requests to the backend.", true,
			func(s *tokens.BackendStatus) float64 { return float64(s.Requests) }),
		backend("backend_failures_total", "Requests to the backend that had no usable answer.", true,
			func(s *tokens.BackendStatus) float64 { return float64(s.Failures) }),
		backend("backend_stale_total", "Answers that were used past their age, because the backend gave none.", true,
			func(s *tokens.BackendStatus) float64 { return float64(s.Stale) }),
		cache("entries", "Entries of a cache of a verifier.", false, func(s *tokens.CacheStatus) float64 { return float64(s.Entries) }),
		cache("max", "How many entries the cache can have.", false, func(s *tokens.CacheStatus) float64 { return float64(s.Max) }),
		cache("hits_total", "Requests that an entry of the cache answered.", true, func(s *tokens.CacheStatus) float64 { return float64(s.Hits) }),
		cache("misses_total", "Requests that no entry of the cache answered.", true, func(s *tokens.CacheStatus) float64 { return float64(s.Misses) }),
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// eachStatus calls f with the state of every verifier that shows one.
func (srv *Server) eachStatus(f func(verifier string, s *tokens.Status)) {
	for _, v := range srv.Parts.Decider.Chain {
		if o, ok := v.(tokens.Observable); ok {
			s := o.Status()
			f(v.Name(), &s)
		}
	}
	if srv.login.Revocation != nil {
		var s tokens.Status
		srv.login.Revocation.Status(&s)
		f("api.x509", &s)
	}
}

// verifierDetail returns a line for each backend that is not ready. It is a detail of
// readiness: other credentials can be verified, so usher stays ready.
func (srv *Server) verifierDetail() string {
	var b strings.Builder
	srv.eachStatus(func(verifier string, s *tokens.Status) {
		for i := range s.Backends {
			if backend := &s.Backends[i]; !backend.Up || backend.Open {
				fmt.Fprintf(&b, "verifier %s: %s is not ready: %s\n", verifier, backend.Name, secret.RedactDetected(backend.Error))
			}
		}
	})
	return b.String()
}
