package demo

import (
	"io"
	"sync"
)

// maxHeld is how much a heldWriter keeps back: something is amiss where more is said.
const maxHeld = 64 << 10

// heldWriter keeps back what is written until it is released, so that what a user
// reads first comes first.
type heldWriter struct {
	mu       sync.Mutex
	w        io.Writer
	held     []byte
	released bool
}

// Write implements io.Writer.
func (h *heldWriter) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return h.w.Write(p)
	}
	h.held = append(h.held, p...)
	if len(h.held) > maxHeld {
		return len(p), h.pass()
	}
	return len(p), nil
}

// release writes what was kept back, and keeps back no more.
func (h *heldWriter) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pass()
}

func (h *heldWriter) pass() error {
	held := h.held
	h.held, h.released = nil, true
	if len(held) == 0 {
		return nil
	}
	_, err := h.w.Write(held)
	return err
}
