package sessions

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"

	"usher/callout/session"
)

// Compare orders sessions by server, and the sessions of one server by their number.
func Compare(a, b session.ID) int {
	return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Client, b.Client))
}

// Select returns the first sessions in the order of Compare, at most limit, that f selects
// and that come after an ID; the zero ID is before all. next is the ID to continue with,
// here or at another replica; zero: there are no more. A session that is there all the
// time is on exactly one of the pages, whatever is added and removed meanwhile.
func (r *Registry) Select(f *Filter, after session.ID, limit int) (page []*session.Session, next session.ID) {
	limit = max(limit, 1)
	var first lastFirst
	for id := range r.IDs(f) {
		switch {
		case Compare(id, after) <= 0:
		case len(first) <= limit: // one more than asked for tells whether there are more
			heap.Push(&first, id)
		case Compare(id, first[0]) < 0:
			first[0] = id
			heap.Fix(&first, 0)
		}
	}
	slices.SortFunc(first, Compare)
	more := len(first) > limit
	first = slices.Compact(first)
	if first = first[:min(limit, len(first))]; more {
		next = first[len(first)-1]
	}
	page = make([]*session.Session, 0, len(first))
	for _, id := range first {
		if s, ok := r.Find(id); ok && f.Match(s) {
			page = append(page, s)
		}
	}
	return page, next
}

// IDs yields the IDs of the sessions that f selects, as Matching does, and costs less.
func (r *Registry) IDs(f *Filter) iter.Seq[session.ID] {
	return func(yield func(session.ID) bool) {
		r.matching(f, func(rec *record) bool { return yield(rec.id()) })
	}
}

// Count returns the number of sessions that f selects.
func (r *Registry) Count(f *Filter) (n int) {
	if f.IsZero() {
		return r.Len()
	}
	for range r.IDs(f) {
		n++
	}
	return n
}

// lastFirst is a heap of IDs with the last one at its top.
type lastFirst []session.ID

func (h lastFirst) Len() int           { return len(h) }
func (h lastFirst) Less(i, j int) bool { return Compare(h[i], h[j]) > 0 }
func (h lastFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lastFirst) Push(id any)       { *h = append(*h, id.(session.ID)) }
func (h *lastFirst) Pop() any {
	last := len(*h) - 1
	id := (*h)[last]
	*h = (*h)[:last]
	return id
}
