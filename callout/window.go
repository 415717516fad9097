package callout

import (
	"sync"
	"sync/atomic"
	"time"
)

// A server works through the answers of one connection one after the other, at
// two signatures each, while it is busy with the clients. What it has not got to
// yet waits in its buffers, where nothing can be shed any more: answers pile up
// until all of them come too late. So only as many are on their way as the
// server gets through in a moment; the rest waits here.
const (
	// moment is how long an answer may take at the server.
	moment = 300 * time.Millisecond
	// leastAnswers is enough for a server to be busy with whenever it comes to
	// look; all connections of the service share it.
	leastAnswers = 256
	mostWindow   = 4096
)

// window counts the answers of one connection that are on their way, or may
// come to be, and the server has not confirmed. How many there may be follows
// from how fast the server has confirmed the last ones.
type window struct {
	least int // that limit never is below

	mu       sync.Mutex
	room     sync.Cond
	limit    int
	taken    int // by requests that are worked on, and by answers
	answered int // of taken: answers since the server was asked last
	asked    int // of taken: answers that the server was asked to confirm
	lost     int // times the connection was lost
	sent     chan struct{}
	closed   bool

	now   func() time.Time
	delay atomic.Int64 // nanoseconds from an answer until the server was through with it, last time
	began atomic.Int64 // Unix time in nanoseconds of the round under way, or of the end of the last one
	round atomic.Bool  // a round is under way
}

// stale is how long after it the last round says nothing any more.
const stale = 10 * time.Second

// Delay returns how long an answer takes now until the server is through with it,
// going by the last round and by the one under way. 0: nothing is known.
func (w *window) Delay() time.Duration {
	last, ago := time.Duration(w.delay.Load()), w.now().Sub(time.Unix(0, w.began.Load()))
	switch {
	case w.round.Load():
		return max(last, ago)
	case ago > stale:
		return 0
	default:
		return last
	}
}

// newWindow returns the window of one of so many connections.
func newWindow(connections int, now func() time.Time) *window {
	least := share(leastAnswers, connections)
	w := &window{least: least, limit: least, sent: make(chan struct{}, 1), now: now}
	w.room.L = &w.mu
	return w
}

// enter waits until there is room for one more. It returns false if the window
// was closed.
func (w *window) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.taken >= w.limit && !w.closed {
		w.room.Wait()
	}
	w.taken++
	return !w.closed
}

// leave ends what enter began, without an answer.
func (w *window) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken--
	w.room.Signal()
}

// answer ends what enter began: an answer has been sent.
func (w *window) answer() {
	w.mu.Lock()
	w.answered++
	w.mu.Unlock()
	select {
	case w.sent <- struct{}{}:
	default: // whoever confirms has heard already
	}
}

// intrude takes a place for an answer that had to wait elsewhere, room or not.
func (w *window) intrude() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken++
}

// ask waits for answers and then returns, as a ticket for confirm, how often the
// connection was lost so far. It returns false once stop is closed.
func (w *window) ask(stop <-chan struct{}) (ticket int, ok bool) {
	select {
	case <-w.sent:
	case <-stop:
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.answered = w.answered, 0
	w.began.Store(w.now().UnixNano())
	w.round.Store(true)
	return w.lost, true
}

// confirm makes room: the server has got through the answers that were sent
// before ask, and whatever came before them.
func (w *window) confirm(ticket int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	took := now.Sub(time.Unix(0, w.began.Load()))
	w.began.Store(now.UnixNano())
	w.round.Store(false)
	if ticket != w.lost {
		return
	}
	w.delay.Store(int64(took))
	w.limit = max(w.least, nextLimit(w.limit, w.asked, took))
	w.taken -= w.asked
	w.asked = 0
	w.room.Broadcast()
}

// lose makes room for all answers: the connection that they went by is gone.
func (w *window) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost++
	w.taken -= w.asked + w.answered
	w.asked, w.answered = 0, 0
	w.limit = w.least
	w.room.Broadcast()
}

// nextLimit returns how many answers the server gets through in a moment, going
// by the last n. It falls at once, and grows by half. A short round of a few
// says little: it makes nothing fall.
func nextLimit(limit, n int, took time.Duration) int {
	if n == 0 {
		return limit
	}
	reached := mostWindow
	if took > 0 {
		reached = int(min(float64(mostWindow), float64(n)*float64(moment)/float64(took)))
	}
	if took <= moment {
		reached = max(reached, limit)
	}
	return min(reached, limit+limit/2, mostWindow)
}

// close lets everybody through who waits to enter.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.room.Broadcast()
}

// size returns how many answers may be on their way, and how many are.
func (w *window) size() (limit, taken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit, w.taken
}
