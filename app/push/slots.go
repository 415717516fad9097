package push

import (
	"context"
	"slices"
	"sync"
)

// slots bounds the requests that are open at once. No project can have more of them than are
// free, however many hosts it pushes to, so one whose endpoints are slow leaves half to the
// others. No host of a project can have more than the project may still take. Requests to
// endpoints that fail have at most half of all slots, and of this half no project can have more
// than are left. Projects that wait get slots in turn, and so do the hosts of a project.
type slots struct {
	mu       sync.Mutex
	total    int
	free     int
	retrying int // slots of retries in use
	projects map[string]*slotProject
	waiting  []*slotProject // those with waiters, in turn
}

type slotProject struct {
	name     string
	used     int
	retrying int
	hosts    map[string]*slotHost
	waiting  []*slotHost // those with waiters, in turn
}

type slotHost struct {
	name    string
	used    int
	waiters []*waiter
}

type waiter struct {
	retry   bool
	granted chan struct{}
}

func newSlots(n int) *slots {
	return &slots{total: n, free: n, projects: map[string]*slotProject{}}
}

// Acquire waits for a slot. It returns an error only if ctx ends.
func (s *slots) Acquire(ctx context.Context, project, name string, retry bool) error {
	s.mu.Lock()
	p := s.projects[project]
	if p == nil {
		p = &slotProject{name: project, hosts: map[string]*slotHost{}}
		s.projects[project] = p
	}
	h := p.hosts[name]
	if h == nil {
		h = &slotHost{name: name}
		p.hosts[name] = h
	}
	if len(h.waiters) == 0 && s.allowed(p, h, retry) {
		s.take(p, h, retry)
		s.mu.Unlock()
		return nil
	}
	w := &waiter{retry: retry, granted: make(chan struct{})}
	h.waiters = append(h.waiters, w)
	if len(h.waiters) == 1 {
		p.waiting = append(p.waiting, h)
	}
	if len(p.waiting) == 1 && len(h.waiters) == 1 {
		s.waiting = append(s.waiting, p)
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
	h.waiters = without(h.waiters, w)
	if len(h.waiters) == 0 {
		p.waiting = without(p.waiting, h)
	}
	if len(p.waiting) == 0 {
		s.waiting = without(s.waiting, p)
	}
	s.forget(p, h)
	s.grant() // w may have been in front of one that may go
	return ctx.Err()
}

// Release gives a slot back.
func (s *slots) Release(project, name string, retry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	h := p.hosts[name]
	h.used--
	p.used--
	s.free++
	if retry {
		p.retrying--
		s.retrying--
	}
	s.forget(p, h)
	s.grant()
}

// InUse returns the number of slots in use.
func (s *slots) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total - s.free
}

// left returns how many more slots a project may take now. Each leaves one less to the others.
func (s *slots) left(p *slotProject) int { return share(s.free, p.used) }

// retriesLeft returns how many more slots a project may take now for retries. Endpoints that
// hang keep theirs for a whole timeout, so a project without any must find some left.
func (s *slots) retriesLeft(p *slotProject) int {
	const parts = 2
	return share(max(1, s.total/parts)-s.retrying, p.retrying)
}

// share returns how many more of the free slots one may take that has used some, so that it has
// no more than it leaves.
func share(free, used int) int {
	if used == 0 {
		return (free + 1) / 2
	}
	return max(0, (free-used+1)/2)
}

func (s *slots) allowed(p *slotProject, h *slotHost, retry bool) bool {
	if retry && s.retriesLeft(p) <= 0 {
		return false
	}
	left := s.left(p)
	return left > 0 && (h.used == 0 || h.used < left)
}

func (s *slots) take(p *slotProject, h *slotHost, retry bool) {
	h.used++
	p.used++
	s.free--
	if retry {
		p.retrying++
		s.retrying++
	}
}

// grant gives free slots to those who wait, one to each project in turn, and of a project one to
// each host in turn.
func (s *slots) grant() {
	for i := 0; i < len(s.waiting) && s.free > 0; {
		p := s.waiting[i]
		if !s.grantProject(p) {
			i++
			continue
		}
		s.waiting = slices.Delete(s.waiting, i, i+1)
		if len(p.waiting) > 0 {
			s.waiting = append(s.waiting, p)
		}
		i = 0
	}
}

// grantProject gives a slot to the first host of a project that may have one.
func (s *slots) grantProject(p *slotProject) bool {
	if s.left(p) == 0 {
		return false
	}
	for i, h := range p.waiting {
		next := slices.IndexFunc(h.waiters, func(w *waiter) bool { return s.allowed(p, h, w.retry) })
		if next < 0 {
			continue
		}
		w := h.waiters[next]
		h.waiters = slices.Delete(h.waiters, next, next+1)
		s.take(p, h, w.retry)
		close(w.granted)
		p.waiting = slices.Delete(p.waiting, i, i+1)
		if len(h.waiters) > 0 {
			p.waiting = append(p.waiting, h)
		}
		return true
	}
	return false
}

func (s *slots) forget(p *slotProject, h *slotHost) {
	if h.used == 0 && len(h.waiters) == 0 {
		delete(p.hosts, h.name)
	}
	if len(p.hosts) == 0 {
		delete(s.projects, p.name)
	}
}

func without[T comparable](all []T, one T) []T {
	if i := slices.Index(all, one); i >= 0 {
		return slices.Delete(all, i, i+1)
	}
	return all
}
