package congestion

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// targetDelay is how long the server may take to process the answers in
	// flight, as the target of CoDel (RFC 8289).
	targetDelay = 300 * time.Millisecond
	// minLimit keeps a server busy until it reads the connection again. All
	// connections of the service share it.
	minLimit = 256
	// startLimit is the limit of a connection that is new. A server that makes many
	// requests reads the connection seldom, and processes the answers of the first
	// second soon after. All connections share it.
	startLimit = 2048
	maxLimit   = 4096
	// maxSampleAge is how long the delay of the last flush predicts the next.
	maxSampleAge = 10 * time.Second
)

// Window counts the answers of one connection that are in flight, and the
// requests that may become one. Its limit follows the rate at which the server
// processed the last answers. Safe for concurrent use.
type Window struct {
	min   int // lower bound of limit
	start int // limit of a new connection

	mu       sync.Mutex
	cond     sync.Cond // signalled when a slot becomes free
	limit    int
	acquired int // slots: of requests in progress, and of answers in flight
	sent     int // of acquired: answers sent since the last flush began
	flushing int // of acquired: answers that the flush under way covers
	epoch    int // number of resets
	sending  chan struct{}
	closed   bool

	now       func() time.Time
	delay     atomic.Int64 // nanoseconds that the last flush took
	flushTime atomic.Int64 // Unix nanoseconds: start of the flush under way, or end of the last one
	inFlush   atomic.Bool
}

// NewWindow returns the window of one of the given number of connections.
func NewWindow(connections int, now func() time.Time) *Window {
	share := func(total int) int { return (total + connections - 1) / connections }
	w := &Window{min: share(minLimit), start: share(startLimit), sending: make(chan struct{}, 1), now: now}
	w.limit = w.start
	w.cond.L = &w.mu
	return w
}

// Acquire waits for a free slot. It returns false if the window is closed.
func (w *Window) Acquire() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.acquired >= w.limit && !w.closed {
		w.cond.Wait()
	}
	w.acquired++
	return !w.closed
}

// ForceAcquire takes a slot even if none is free, for an answer that was
// delayed elsewhere.
func (w *Window) ForceAcquire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acquired++
}

// Release returns a slot whose request had no answer.
func (w *Window) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acquired--
	w.cond.Signal()
}

// Sent records that the answer of an acquired slot has been sent. EndFlush
// returns the slot.
func (w *Window) Sent() {
	w.mu.Lock()
	w.sent++
	w.mu.Unlock()
	select {
	case w.sending <- struct{}{}:
	default: // a flush is due already
	}
}

// BeginFlush waits until answers have been sent, and assigns them to a flush,
// which the caller makes next. It returns the epoch for EndFlush, or false once
// stop is closed.
func (w *Window) BeginFlush(stop <-chan struct{}) (epoch int, ok bool) {
	select {
	case <-w.sending:
	case <-stop:
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushing, w.sent = w.sent, 0
	w.flushTime.Store(w.now().UnixNano())
	w.inFlush.Store(true)
	return w.epoch, true
}

// EndFlush returns the slots of the answers that were sent before BeginFlush,
// because the server has processed them, and adapts the limit. After a Reset in
// between it does neither.
func (w *Window) EndFlush(epoch int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	took := now.Sub(time.Unix(0, w.flushTime.Load()))
	w.flushTime.Store(now.UnixNano())
	w.inFlush.Store(false)
	if epoch != w.epoch {
		return
	}
	w.delay.Store(int64(took))
	w.limit = max(w.min, nextLimit(w.limit, w.flushing, took))
	w.acquired -= w.flushing
	w.flushing = 0
	w.cond.Broadcast()
}

// Reset returns the slots of all answers in flight, and sets the limit back to
// that of a new connection: this one is lost.
func (w *Window) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	w.acquired -= w.flushing + w.sent
	w.flushing, w.sent = 0, 0
	w.limit = w.start
	w.cond.Broadcast()
}

// Close makes every Acquire return false.
func (w *Window) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.cond.Broadcast()
}

// Delay returns how long the server takes to process an answer: the duration of
// the last flush, or of the flush under way if that is longer. 0: unknown.
func (w *Window) Delay() time.Duration {
	last, elapsed := time.Duration(w.delay.Load()), w.now().Sub(time.Unix(0, w.flushTime.Load()))
	switch {
	case w.inFlush.Load():
		return max(last, elapsed)
	case elapsed > maxSampleAge:
		return 0
	default:
		return last
	}
}

// Size returns the limit and how many slots are acquired.
func (w *Window) Size() (limit, acquired int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit, w.acquired
}

// nextLimit returns how many answers the server processes within targetDelay, if
// it took this long for the last n. The limit shrinks at once, and grows by half
// at most. A flush of few answers within targetDelay does not shrink it: it says
// nothing about the rate.
func nextLimit(limit, n int, took time.Duration) int {
	if n == 0 {
		return limit
	}
	reached := maxLimit
	if took > 0 {
		reached = int(min(float64(maxLimit), float64(n)*float64(targetDelay)/float64(took)))
	}
	if took <= targetDelay {
		reached = max(reached, limit)
	}
	return min(reached, limit+limit/2, maxLimit)
}
