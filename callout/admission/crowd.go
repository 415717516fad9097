package admission

import "github.com/gammazero/deque"

// source is what waits of one source.
type source[T any] struct {
	name    string
	waiting deque.Deque[waiting[T]] // in the order in which they were handed back

	before, after *source[T] // in the ring of turns
	place         int        // in the crowd
}

// ring is the order of turns of the sources that have something waiting. Its
// zero is no ring: see newRing.
type ring[T any] struct{ end *source[T] }

func newRing[T any]() ring[T] {
	end := &source[T]{}
	end.before, end.after = end, end
	return ring[T]{end}
}

func (r ring[T]) first() *source[T] { return r.end.after }

func (r ring[T]) push(s *source[T]) {
	s.before, s.after = r.end.before, r.end
	s.before.after, s.after.before = s, s
}

func (r ring[T]) remove(s *source[T]) {
	s.before.after, s.after.before = s.after, s.before
}

// crowd has the sources by how much each has waiting, the most first. Keeping it
// so takes one swap, because what waits changes by one.
type crowd[T any] struct {
	order []*source[T]
	above []int // above[n] sources have more than n waiting
}

// most returns the source that has the most waiting; something waits.
func (c *crowd[T]) most() *source[T] { return c.order[0] }

// spare returns a source that has nothing waiting.
func (c *crowd[T]) spare() *source[T] {
	if len(c.above) == 0 {
		c.above = append(c.above, 0)
	}
	if c.above[0] == len(c.order) {
		c.order = append(c.order, &source[T]{place: len(c.order)})
	}
	return c.order[c.above[0]]
}

// grew takes note that s has one more waiting.
func (c *crowd[T]) grew(s *source[T]) {
	n := s.waiting.Len() - 1
	if n == len(c.above) {
		c.above = append(c.above, 0)
	}
	c.swap(s, c.above[n]) // the first of those that have n
	c.above[n]++
}

// shrank takes note that s has one less waiting.
func (c *crowd[T]) shrank(s *source[T]) {
	n := s.waiting.Len()
	c.above[n]--
	c.swap(s, c.above[n]) // the last of those that have n+1
}

func (c *crowd[T]) swap(s *source[T], place int) {
	other := c.order[place]
	c.order[s.place], c.order[place] = other, s
	s.place, other.place = place, s.place
}
