package demo

import (
	"io"
	"sync"
)

// maxHeld limits what a heldWriter buffers. More output means a fault that the user must see.
const maxHeld = 64 << 10

// heldWriter buffers output until it is released, so that the instructions for the user come
// before the log.
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
		return len(p), h.flush()
	}
	return len(p), nil
}

// release writes the buffer, and buffers no more.
func (h *heldWriter) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.flush()
}

// flush writes the buffer. The caller holds the mutex.
func (h *heldWriter) flush() error {
	held := h.held
	h.held, h.released = nil, true
	if len(held) == 0 {
		return nil
	}
	_, err := h.w.Write(held)
	return err
}
