package automate

import (
	"sync/atomic"

	"google.golang.org/grpc/connectivity"

	"usher/tokens"
	"usher/tokens/backend"
)

// health counts the calls of a service and remembers how the last one ended.
type health struct {
	requests, failures atomic.Uint64
	failed             atomic.Pointer[failure] // nil: the last call was answered, or there was none
}

type failure struct{ code, text string }

// count takes note of a call.
func (h *health) count(err error) {
	h.requests.Add(1)
	if err == nil {
		h.failed.Store(nil)
		return
	}
	h.failures.Add(1)
	h.failed.Store(&failure{backend.CodeOf(err), err.Error()})
}

// down reports whether the failure says that the service is down, and not only that it
// decided nothing about this token.
func (f *failure) down() bool {
	return f.code == CodeUnreachable || f.code == CodeSlow || f.code == CodeNotReady
}

// status returns the state of the service. Whatever all calls have in common is that of
// the whole.
func (s *service) status(whole *tokens.BackendStatus) tokens.BackendStatus {
	out := tokens.BackendStatus{
		Name: s.backend, Up: true, Requests: s.health.requests.Load(), Failures: s.health.failures.Load(),
		Stale: whole.Stale, Waiting: whole.Waiting,
	}
	state := s.state()
	switch f := s.health.failed.Load(); {
	case f != nil && f.code == CodeUnreachable && state == connectivity.Ready:
		// it is connected again, and nobody has asked since
	case f != nil:
		out.Up, out.Error = !f.down(), f.text
	case state == connectivity.TransientFailure:
		out.Up, out.Error = false, "cannot connect to "+s.Name+" at "+s.Address
	}
	out.Open = whole.Open && !out.Up
	return out
}
