package messages

import (
	"sync"

	"github.com/google/uuid"
)

// memory shares out the bytes that messages of requests in progress may take. A project has
// at most as much as is still free: alone it gets half, and what others have in use comes off
// its share and not off theirs. So a project whose clients read slowly leaves the others
// something (dynamic thresholds, Choudhury and Hahne, 1998). A semaphore of
// golang.org/x/sync does not know shares.
type memory struct {
	limit int64

	mu     sync.Mutex
	used   int64
	shares map[uuid.UUID]int64 // in use, by project
}

func newMemory(limit int64) *memory {
	return &memory{limit: limit, shares: map[uuid.UUID]int64{}}
}

// reservation is what one request has in use. It is not safe for concurrent use.
type reservation struct {
	memory  *memory
	project uuid.UUID
	size    int64
}

func (m *memory) reservation(project uuid.UUID) *reservation {
	return &reservation{memory: m, project: project}
}

// available is how much more a project may take. The caller holds mu.
func (m *memory) available(project uuid.UUID) int64 {
	return max(0, (m.limit-m.used-m.shares[project])/2)
}

// grow takes n more bytes, and reports whether they are there.
func (r *reservation) grow(n int64) bool {
	return r.growBetween(n, n, 1) == n
}

// growBetween takes between least and most bytes: a part of what is available, as other
// requests need some too. It returns how many; 0: least are not there.
func (r *reservation) growBetween(least, most, parts int64) int64 {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	available := r.memory.available(r.project)
	n := min(most, max(least, available/parts))
	if n > available {
		return 0
	}
	r.take(n)
	return n
}

// take changes the reservation by n bytes. The caller holds mu.
func (r *reservation) take(n int64) {
	r.size += n
	r.memory.used += n
	if r.memory.shares[r.project] += n; r.memory.shares[r.project] <= 0 {
		delete(r.memory.shares, r.project)
	}
}

// shrink gives back all but n bytes.
func (r *reservation) shrink(n int64) {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if n < r.size {
		r.take(n - r.size)
	}
}

// release gives everything back.
func (r *reservation) release() { r.shrink(0) }
