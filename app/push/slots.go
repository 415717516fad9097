package push

import (
	"context"
	"sync"
)

// slots bounds the requests that are open at once. No host can have more of them than are
// free, so one that is slow leaves half to the others; and requests to endpoints that fail
// have at most half together. Hosts that wait get slots in turn.
type slots struct {
	mu       sync.Mutex
	total    int
	free     int
	retrying int // slots of retries in use
	hosts    map[string]*host
	waiting  []*host // those with waiters, in turn
}

type host struct {
	name    string
	used    int
	waiters []*waiter
}

type waiter struct {
	retry   bool
	granted chan struct{}
}

func newSlots(n int) *slots { return &slots{total: n, free: n, hosts: map[string]*host{}} }

// Acquire waits for a slot. It returns an error only if ctx ends.
func (s *slots) Acquire(ctx context.Context, name string, retry bool) error {
	s.mu.Lock()
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	if len(h.waiters) == 0 && s.allowed(h, retry) {
		s.take(h, retry)
		s.mu.Unlock()
		return nil
	}
	w := &waiter{retry: retry, granted: make(chan struct{})}
	h.waiters = append(h.waiters, w)
	if len(h.waiters) == 1 {
		s.waiting = append(s.waiting, h)
	}
	s.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted:
		return nil // the caller releases it
	default:
	}
	for i, other := range h.waiters {
		if other == w {
			h.waiters = append(h.waiters[:i], h.waiters[i+1:]...)
			break
		}
	}
	if len(h.waiters) == 0 {
		s.forgetWaiting(h)
	}
	s.forget(h)
	s.grant() // w may have been in front of one that may go
	return ctx.Err()
}

// Release gives a slot back.
func (s *slots) Release(name string, retry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	h.used--
	s.free++
	if retry {
		s.retrying--
	}
	s.forget(h)
	s.grant()
}

// InUse returns the number of slots in use.
func (s *slots) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total - s.free
}

func (s *slots) allowed(h *host, retry bool) bool {
	if retry && s.retrying >= max(1, s.total/2) {
		return false
	}
	return s.free > 0 && (h.used < s.free || h.used == 0)
}

func (s *slots) take(h *host, retry bool) {
	h.used++
	s.free--
	if retry {
		s.retrying++
	}
}

// grant gives free slots to those who wait, one to each host in turn.
func (s *slots) grant() {
	for i := 0; i < len(s.waiting) && s.free > 0; {
		h := s.waiting[i]
		next := s.first(h)
		if next < 0 {
			i++
			continue
		}
		w := h.waiters[next]
		h.waiters = append(h.waiters[:next], h.waiters[next+1:]...)
		s.take(h, w.retry)
		close(w.granted)
		s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
		if len(h.waiters) > 0 {
			s.waiting = append(s.waiting, h)
		}
		i = 0
	}
}

// first returns the index of the first waiter of a host that may go; -1: none.
func (s *slots) first(h *host) int {
	for i, w := range h.waiters {
		if s.allowed(h, w.retry) {
			return i
		}
	}
	return -1
}

func (s *slots) forget(h *host) {
	if h.used == 0 && len(h.waiters) == 0 {
		delete(s.hosts, h.name)
	}
}

func (s *slots) forgetWaiting(h *host) {
	for i, other := range s.waiting {
		if other == h {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return
		}
	}
}
