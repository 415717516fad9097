// Package budget shares out the bytes of memory that the work of projects may take.
//
// A project has at most as much as is still free: alone it gets half, and what others have in
// use comes off its share and not off theirs. So a project whose clients read slowly leaves the
// others something (dynamic thresholds, Choudhury and Hahne, 1998). A semaphore of
// golang.org/x/sync does not know shares. It never waits.
package budget

import (
	"sync"

	"github.com/google/uuid"
)

// Budget is the bytes of all. It is safe for concurrent use.
type Budget struct {
	limit int64

	mu     sync.Mutex
	used   int64
	shares map[uuid.UUID]int64 // in use, by project
}

// New returns a Budget of so many bytes.
func New(limit int64) *Budget {
	return &Budget{limit: limit, shares: map[uuid.UUID]int64{}}
}

// Reservation is what one request has in use. It is not safe for concurrent use.
type Reservation struct {
	budget  *Budget
	project uuid.UUID
	size    int64
}

// For returns a Reservation of nothing yet.
func (b *Budget) For(project uuid.UUID) *Reservation {
	return &Reservation{budget: b, project: project}
}

// available is how much more a project may take. The caller holds mu.
func (b *Budget) available(project uuid.UUID) int64 {
	return max(0, (b.limit-b.used-b.shares[project])/2)
}

// Grow takes n more bytes, and reports whether they are there.
func (r *Reservation) Grow(n int64) bool {
	return r.GrowBetween(n, n, 1) == n
}

// GrowBetween takes between least and most bytes: a part of what is available, as other
// requests need some too. It returns how many; 0: least are not there.
func (r *Reservation) GrowBetween(least, most, parts int64) int64 {
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	available := r.budget.available(r.project)
	n := min(most, max(least, available/parts))
	if n > available {
		return 0
	}
	r.take(n)
	return n
}

// take changes the reservation by n bytes. The caller holds mu.
func (r *Reservation) take(n int64) {
	r.size += n
	r.budget.used += n
	if r.budget.shares[r.project] += n; r.budget.shares[r.project] <= 0 {
		delete(r.budget.shares, r.project)
	}
}

// Shrink gives back all but n bytes.
func (r *Reservation) Shrink(n int64) {
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	if n < r.size {
		r.take(n - r.size)
	}
}

// Release gives everything back.
func (r *Reservation) Release() { r.Shrink(0) }

// Size is how many bytes it has.
func (r *Reservation) Size() int64 { return r.size }
