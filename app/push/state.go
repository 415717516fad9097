package push

import (
	"sync"
	"time"

	apipush "usher/api/push"
)

// state is how the pushes of a subscription go.
type state struct {
	mu sync.Mutex
	s  apipush.State
}

func (s *state) get() apipush.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s
}

// succeeded notes a push that was taken. It returns how many had failed before it.
func (s *state) succeeded(messages int, now time.Time) (failures int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	failures = s.s.Failures
	if failures > 0 {
		s.s.Status, s.s.Since = apipush.StatusActive, now
		s.s.Delivered = 0
	}
	s.s.Failures, s.s.LastError, s.s.NextAttempt = 0, "", time.Time{}
	s.s.LastSuccess = now
	s.s.Delivered += uint64(messages) //nolint:gosec // not negative
	return failures
}

// failed notes a push that failed. It returns how many have failed one after the other, and
// whether the one before had another reason.
func (s *state) failed(text string, now, next time.Time) (failures int, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.Failures == 0 {
		s.s.Status, s.s.Since = apipush.StatusRetrying, now
		s.s.Delivered = 0
	}
	changed = s.s.LastError != text
	s.s.Failures++
	s.s.LastError, s.s.NextAttempt = text, next
	return s.s.Failures, changed
}
