package demo

import (
	"io"
	"sync"
)

// maxHeld limits what a HeldWriter buffers. More output means a fault that the user must see.
const maxHeld = 64 << 10

// HeldWriter buffers output until it is released, so that the instructions for the user come
// before the log.
type HeldWriter struct {
	mu       sync.Mutex
	w        io.Writer
	held     []byte
	released bool
}

// NewHeldWriter returns a writer that buffers for w.
func NewHeldWriter(w io.Writer) *HeldWriter { return &HeldWriter{w: w} }

// Write implements io.Writer.
func (h *HeldWriter) Write(p []byte) (int, error) {
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

// Release writes the buffer, and buffers no more.
func (h *HeldWriter) Release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.flush()
}

// flush writes the buffer. The caller holds the mutex.
func (h *HeldWriter) flush() error {
	held := h.held
	h.held, h.released = nil, true
	if len(held) == 0 {
		return nil
	}
	_, err := h.w.Write(held)
	return err
}
