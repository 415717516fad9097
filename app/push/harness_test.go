package push_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/app/push"
	"usher/callout/callouttest"
	"usher/directory"
)

// memory is a Source whose messages are in memory, in order.
type memory struct {
	mu       sync.Mutex
	waiting  []push.Message
	acked    []string
	buried   []string
	extended int
	closed   bool
	unburied error
	more     chan struct{}
}

func newMemory(n int) *memory {
	m := &memory{more: make(chan struct{}, 1)}
	for i := range n {
		m.waiting = append(m.waiting, message(i+1))
	}
	return m
}

func message(n int) push.Message {
	return push.Message{
		ID: strconv.Itoa(n), Data: []byte("data " + strconv.Itoa(n)), Attributes: map[string]string{"n": strconv.Itoa(n)},
		Published: time.Date(2026, 1, 2, 3, 4, 5, n, time.UTC), Deliveries: 1,
	}
}

func (m *memory) Next(ctx context.Context, limit int) ([]push.Message, error) {
	for {
		m.mu.Lock()
		n := min(limit, len(m.waiting))
		batch := slices.Clone(m.waiting[:n])
		m.waiting = m.waiting[n:]
		m.mu.Unlock()
		if n > 0 {
			return batch, nil
		}
		select {
		case <-m.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *memory) add(messages ...push.Message) {
	m.mu.Lock()
	m.waiting = append(m.waiting, messages...)
	m.mu.Unlock()
	select {
	case m.more <- struct{}{}:
	default:
	}
}

func (m *memory) Acknowledge(_ context.Context, messages []push.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range messages {
		m.acked = append(m.acked, a.ID)
	}
	return nil
}

func (m *memory) Extend(context.Context, []push.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.extended++
	return nil
}

func (m *memory) Return(_ context.Context, messages []push.Message) error {
	m.mu.Lock()
	again := slices.Clone(messages)
	for i := range again {
		again[i].Deliveries++
	}
	m.waiting = append(again, m.waiting...)
	m.mu.Unlock()
	m.add()
	return nil
}

func (m *memory) Bury(_ context.Context, message push.Message) error { //nolint:gocritic // as the interface has it
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unburied != nil {
		return m.unburied
	}
	m.buried = append(m.buried, message.ID)
	return nil
}

func (m *memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

func (m *memory) read(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// acknowledged waits until what was taken is acknowledged: many together, a moment later.
func acknowledged() {
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
}

// endpoint answers pushes in the process, without a network: virtual time goes on only then.
type endpoint struct {
	mu     sync.Mutex
	answer func(r *http.Request, body string) (status int, err error)
	bodies []string
	at     []time.Time
}

func (e *endpoint) Do(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.bodies = append(e.bodies, string(b))
	e.at = append(e.at, time.Now())
	answer := e.answer
	e.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		if status, err = answer(r, string(b)); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

// gaps returns the times between pushes, from start.
func (e *endpoint) gaps(start time.Time) []time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	var gaps []time.Duration
	for _, at := range e.at {
		gaps = append(gaps, at.Sub(start))
		start = at
	}
	return gaps
}

func (e *endpoint) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.bodies)
}

func newWorker(t *testing.T, client push.Client, change func(*push.Config)) *push.Worker {
	t.Helper()
	cfg := push.Config{
		Client: client, Timeout: 30 * time.Second, Concurrency: 256, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&cfg)
	}
	w, err := push.New(cfg)
	callouttest.Must(t, err)
	return w
}

func subscription(name string, source push.Source, change func(*directory.Push)) push.Subscription {
	s := push.Subscription{
		ID: name, Project: "P", Name: name, Source: source,
		Push: directory.Push{Type: push.TypeHTTP, Endpoint: "https://" + name + ".example/in?secret=1", MaxMessages: 1, Verified: true, RetryType: push.RetryLinear},
	}
	if change != nil {
		change(&s.Push)
	}
	return s
}

func stop(w *push.Worker) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.Close(ctx)
}

var errRefused = errors.New("connection refused")
