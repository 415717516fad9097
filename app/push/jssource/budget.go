package jssource

import (
	"sync/atomic"
	"time"
)

// Bounds of the bytes of messages, with what their attributes take in memory. JetStream sends a
// message whatever its size, so a Source asks for few until it knows how large they are.
const (
	ownBytes      = 8 << 20   // that one Source holds, unless it is one message
	allBytes      = 128 << 20 // that all Sources of a Budget hold, but for one message each
	pushBytes     = 2 << 20   // that Next returns at once, unless it is one message
	firstPull     = 8         // messages
	leastSize     = 1 << 10   // of a message, for guessing how many fit
	attributeCost = 200       // of a name and a value in a map
	budgetAgain   = time.Second
)

// Budget is what the Sources of a process hold together. The zero value is ready to use.
type Budget struct{ used atomic.Int64 }

// paid notes that the Source holds a message. The caller holds the lock.
func (s *Source) paid(h *held) {
	h.size = len(h.message.Data)
	for name, value := range h.message.Attributes {
		h.size += len(name) + len(value) + attributeCost
	}
	s.largest = max(h.size, s.largest-s.largest/maxAhead) // what was large is forgotten slowly
	s.bytes += h.size
	s.cfg.Budget.used.Add(int64(h.size))
}

// refund notes that the Source does not hold a message any more. The caller holds the lock.
func (s *Source) refund(h *held) {
	s.bytes -= h.size
	s.cfg.Budget.used.Add(-int64(h.size))
	h.size = 0
	wake(s.room)
}

// fits returns how many more messages may be read. A Source that holds none may always read one.
// The caller holds the lock.
func (s *Source) fits() int {
	left := min(ownBytes-s.bytes, allBytes-int(s.cfg.Budget.used.Load()))
	n := min(left/max(s.largest, leastSize), s.most)
	if len(s.held) == 0 {
		return max(n, 1)
	}
	return n
}

// got notes how many of n messages a pull brought: the next one may ask for more.
func (s *Source) got(n, came int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if came >= n {
		s.most = min(2*s.most, maxAhead)
	}
}
