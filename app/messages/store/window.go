package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"usher/api/messages"
)

// A server disconnects a client that does not read 64 MiB (max_pending), and all projects of an
// account share one connection. nats.go reads the headers of a message into a map before it
// reads the next message, which takes many times their size in memory and its time.
const (
	accountWindow = 16 << 20 // what pulls of an account may have on its way, with its headers read
	projectWindow = 4 << 20  // of one project
	requestWindow = 512 << 10
	// messageWindow is what a request asks for each of its messages: one that asks for few
	// leaves others room.
	messageWindow = 64 << 10
	// leastRequest is more than most messages take.
	leastRequest = 16 << 10
	// waitingRequest is what a request that waits asks for. It takes nothing of the window,
	// as it would keep it. There are at most 512 of them.
	waitingRequest = 16 << 10
	maxHeader      = 64 << 10 // of a message in a stream
	headerCost     = 200      // what nats.go takes for a header besides its bytes

	// firstExpansion is how many times its size a message of an unknown project takes.
	firstExpansion = 4
)

// window bounds the bytes that JetStream may send at once for pulls of an account. A project
// has a part of it. It is safe for concurrent use.
type window struct {
	size     int // of a project
	projects *slots
	account  *semaphore.Weighted
	timeout  time.Duration

	mu        sync.Mutex
	expansion map[string]int // of the messages of a project
}

// newWindow returns a window in which at least one message of maxPayload fits.
func newWindow(maxPayload int64, timeout time.Duration) *window {
	size := min(accountWindow, max(projectWindow, int(maxPayload)))
	return &window{
		size: size, projects: newSlots(size), account: semaphore.NewWeighted(accountWindow),
		timeout: timeout, expansion: map[string]int{},
	}
}

// acquire waits until a project may be sent what takes so much memory. It returns
// ErrBusy if that takes too long.
func (w *window) acquire(ctx context.Context, project string, memory int) (release func(), err error) {
	n := min(memory, w.size)
	if n <= 0 {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout, messages.ErrBusy)
	defer cancel()
	leave, err := w.projects.acquire(ctx, project, n)
	if err == nil {
		if err = w.account.Acquire(ctx, int64(n)); err != nil {
			leave()
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, messages.ErrBusy) {
			err = cause
		}
		return nil, fmt.Errorf("wait to pull: %w", err)
	}
	return func() {
		w.account.Release(int64(n))
		leave()
	}, nil
}

// expands returns how many times their size messages of a project take in memory.
func (w *window) expands(project string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.expansion[project]; n > 0 {
		return n
	}
	return firstExpansion
}

// observe learns from messages of a project that came. It forgets slowly: who sends small
// headers for a while may send large ones again.
func (w *window) observe(project string, wire, memory int) {
	if wire <= 0 {
		return
	}
	now := (memory + wire - 1) / wire
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.expansion[project]; before > now {
		now = max(now, before-max(1, before/8))
	}
	w.expansion[project] = now
}
