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
	if s.s.Status != apipush.StatusActive || failures > 0 {
		s.s.Status, s.s.Since = apipush.StatusActive, now
		s.s.Delivered = 0
	}
	s.s.Failures, s.s.LastError, s.s.NextAttempt = 0, "", time.Time{}
	s.s.LastSuccess = now
	s.s.Delivered += uint64(messages) //nolint:gosec // not negative
	return failures
}

// blocked notes that nothing can be pushed, for a reason that the endpoint has nothing to do
// with. It reports whether that is new.
func (s *state) blocked(text string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	begins := s.s.Status != apipush.StatusBlocked
	if begins {
		s.s.Status, s.s.Since = apipush.StatusBlocked, now
		s.s.Delivered = 0
	}
	s.s.LastError, s.s.NextAttempt = text, time.Time{}
	return begins
}

// unblocked notes that pushes can go on. It reports whether they could not.
func (s *state) unblocked(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.Status != apipush.StatusBlocked {
		return false
	}
	s.s.Status, s.s.Since, s.s.LastError = apipush.StatusActive, now, ""
	return true
}

// failed notes a push that failed. It returns how many have failed one after the other, and
// whether the one before had another reason.
func (s *state) failed(text string, now, next time.Time) (failures int, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.Status != apipush.StatusRetrying {
		s.s.Status, s.s.Since = apipush.StatusRetrying, now
		s.s.Delivered = 0
	}
	changed = s.s.LastError != text
	s.s.Failures++
	s.s.LastError, s.s.NextAttempt = text, next
	return s.s.Failures, changed
}

// gaveUp notes messages that are dead letters. If none is left to be tried again, nothing is
// retried until the next message: Failures goes on where it was then.
func (s *state) gaveUp(messages int, left bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.DeadLetters += uint64(messages) //nolint:gosec // not negative
	if !left && messages > 0 {
		s.s.Status, s.s.Since, s.s.NextAttempt = apipush.StatusActive, now, time.Time{}
	}
}
