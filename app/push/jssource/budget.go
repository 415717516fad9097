package jssource

import (
	"time"

	"usher/api/messages"
	"usher/internal/budget"
)

// What Sources may hold. Whoever publishes decides how large the next message is, so nothing is
// asked for that is not paid for before, but for the first message after a while; and that one goes
// back if there is no memory for it.
const (
	ownBytes      = 8 << 20   // that one Source holds, unless it is one message
	allBytes      = 128 << 20 // that all Sources of a process hold
	pushBytes     = 2 << 20   // that Next returns at once, unless it is one message
	leastPull     = 16 << 10  // what is paid for at least, before it is asked for
	waitingPull   = 4 << 10   // what a request that waits asks for; many wait at a time
	leastSize     = 1 << 10   // of a message, for guessing how many fit
	heldCost      = 500       // of a message besides its content
	availablePart = 4         // a request pays for at most this part of what is available
	budgetAgain   = time.Second
)

// NewBudget returns the bytes that all Sources of a process hold together, so that many slow
// endpoints, or many large messages, do not take its memory. A project has at most as much of it
// as is still free.
func NewBudget() *budget.Budget { return budget.New(allBytes) }

// newHeld returns what a Source holds of a message.
func newHeld(r *messages.Received) *held {
	h := &held{sequence: r.Delivery.Stream, size: int(r.MemorySize()) + heldCost}
	h.message.ID, h.message.Data, h.message.Attributes = r.ID, r.Data, r.Attributes
	h.message.Published, h.message.Deliveries, h.message.Handle = r.Published, r.Delivery.Count, h
	return h
}

// reserve pays for a request for n messages, and returns for how many bytes; 0: there is no memory
// now. The caller holds the lock, and calls settle after the request.
func (s *Source) reserve(n int) int {
	least := max(s.need, s.largest, leastPull)
	if s.bytes > 0 && s.bytes+least > ownBytes {
		return 0
	}
	most := min(n*2*max(s.largest, leastSize), ownBytes-s.bytes)
	return int(s.paid.GrowBetween(int64(least), int64(max(least, most)), availablePart))
}

// pay counts a message that came. It returns false if there is no memory for it. The caller holds
// the lock.
func (s *Source) pay(h *held) bool {
	after := s.bytes + h.size
	missing := int64(after) - s.paid.Size()
	if s.bytes > 0 && after > ownBytes || missing > 0 && !s.paid.Grow(missing) {
		s.need = h.size
		return false
	}
	s.bytes = after
	s.largest = max(h.size, s.largest-s.largest/maxAhead) // what was large is forgotten slowly
	return true
}

// settle gives back what was paid for and did not come.
func (s *Source) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paid.Shrink(int64(s.bytes))
}

// refund counts a message that is no longer held. The caller holds the lock.
func (s *Source) refund(h *held) {
	s.bytes -= h.size
	s.paid.Shrink(s.paid.Size() - int64(h.size))
	wake(s.room)
}
