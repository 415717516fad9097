package admission

import "github.com/gammazero/deque"

// source is the queue of one source.
type source[T any] struct {
	name    string
	waiting deque.Deque[waiting[T]] // in the order in which they were opened

	previous, next *source[T] // in the round robin
	index          int        // in byLength
}

// roundRobin is the order in which sources are served: a linked list of those
// that have requests waiting.
type roundRobin[T any] struct{ end *source[T] }

func newRoundRobin[T any]() roundRobin[T] {
	end := &source[T]{}
	end.previous, end.next = end, end
	return roundRobin[T]{end}
}

func (r roundRobin[T]) first() *source[T] { return r.end.next }

func (r roundRobin[T]) push(s *source[T]) {
	s.previous, s.next = r.end.previous, r.end
	s.previous.next, s.next.previous = s, s
}

func (r roundRobin[T]) remove(s *source[T]) {
	s.previous.next, s.next.previous = s.next, s.previous
}

// byLength has the sources by the length of their queues, the longest first. An
// update takes one swap, because a length changes by one.
type byLength[T any] struct {
	order []*source[T]
	above []int // above[n] is the number of sources with more than n waiting
}

// heaviest returns the source with the longest queue; one must not be empty.
func (b *byLength[T]) heaviest() *source[T] { return b.order[0] }

// unused returns a source with an empty queue.
func (b *byLength[T]) unused() *source[T] {
	if len(b.above) == 0 {
		b.above = append(b.above, 0)
	}
	if b.above[0] == len(b.order) {
		b.order = append(b.order, &source[T]{index: len(b.order)})
	}
	return b.order[b.above[0]]
}

// increased updates the order after the queue of s became longer by one.
func (b *byLength[T]) increased(s *source[T]) {
	n := s.waiting.Len() - 1
	if n == len(b.above) {
		b.above = append(b.above, 0)
	}
	b.swap(s, b.above[n]) // the first of the sources with n
	b.above[n]++
}

// decreased updates the order after the queue of s became shorter by one.
func (b *byLength[T]) decreased(s *source[T]) {
	n := s.waiting.Len()
	b.above[n]--
	b.swap(s, b.above[n]) // the last of the sources with n+1
}

func (b *byLength[T]) swap(s *source[T], index int) {
	other := b.order[index]
	b.order[s.index], b.order[index] = other, s
	s.index, other.index = index, s.index
}
