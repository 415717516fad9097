package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/demo/supervisor"
	"usher/app/setup"
)

// result is what is printed. Durations are in milliseconds.
type result struct {
	Clients   int       `json:"clients"`
	Failed    int64     `json:"failed_attempts"` // connects that a supervisor had to repeat
	AllInMS   float64   `json:"all_in_ms"`       // from the first connect until all are connected
	Lost      int64     `json:"lost_connections"`
	Published int64     `json:"published"` // once all were connected
	Delivered int64     `json:"delivered"`
	P50MS     float64   `json:"p50_ms"`
	P99MS     float64   `json:"p99_ms"`
	MaxMS     float64   `json:"max_ms"`
	Memory    []float64 `json:"memory_bytes"` // growth of each process for one supervisor
}

const (
	subject = "habitat.event.healthcheck"
	// What supervisors do: each step of a connect has 10 s, and a failed one is repeated 5 s
	// later.
	stepTimeout = 10 * time.Second
	again       = 5 * time.Second
	allIn       = 4 * time.Minute // at most
	drain       = 10 * time.Second
)

// load is the state that supervisors and the service share. An event has the time at
// which it was sent; those sent before begin, or from end on, do not count.
type load struct {
	o          *options
	external   string // HOST:PORT
	token      string
	tls        *tls.Config
	begin, end atomic.Int64 // nanoseconds since 1970; 0: not yet

	connected, failed, lost, published atomic.Int64

	mu        sync.Mutex
	latencies []time.Duration
}

func measure(ctx context.Context, o *options) (*result, error) {
	site, err := startSite(ctx, o)
	if err != nil {
		return nil, err
	}
	defer site.close()
	roots, err := roots(site.path(setup.FileCA))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(site.tokenFile())
	if err != nil {
		return nil, err
	}
	l := &load{o: o, external: site.external, token: string(token), tls: externalTLS(roots)}
	service, err := internalTLS(site, roots)
	if err != nil {
		return nil, err
	}
	before, err := site.memory()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect("nats://"+site.internal, nats.Secure(service))
	if err != nil {
		return nil, fmt.Errorf("connect the service: %w", err)
	}
	defer nc.Close()
	events, err := nc.QueueSubscribe("habitat.event.>", "automate", l.receive)
	if err == nil {
		err = errors.Join(events.SetPendingLimits(-1, -1), nc.Flush())
	}
	if err != nil {
		return nil, err
	}
	found := &result{Clients: o.clients}
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	start := time.Now()
	all.Go(func() { l.startAll(running, &all) })
	if err := waitFor(ctx, allIn, func() bool { return l.connected.Load() == int64(o.clients) }); err != nil {
		return nil, fmt.Errorf("%d of %d connected, %d failed attempts: %w", l.connected.Load(), o.clients, l.failed.Load(), err)
	}
	found.AllInMS = milliseconds(time.Since(start))
	l.lost.Store(0)
	l.begin.Store(time.Now().UnixNano())
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(o.duration):
	}
	l.end.Store(time.Now().UnixNano())
	after, err := site.memory()
	if err != nil {
		return nil, err
	}
	// Events that do not arrive in time are lost; that is a result, not an error.
	_ = waitFor(ctx, drain, func() bool { return l.delivered() >= l.published.Load() })
	for i := range after {
		found.Memory = append(found.Memory, (after[i]-before[i])/float64(o.clients))
	}
	l.summarize(found)
	return found, nil
}

// startAll starts the supervisors at the rate.
func (l *load) startAll(ctx context.Context, all *sync.WaitGroup) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / l.o.rate))
	defer tick.Stop()
	for i := range l.o.clients {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		all.Go(func() { l.supervise(ctx, fmt.Sprintf("%05d", i)) })
	}
}

// supervise is one supervisor: it connects, publishes, and connects again if it loses its
// connection. Events while it is disconnected are dropped, and do not count.
func (l *load) supervise(ctx context.Context, name string) {
	for ctx.Err() == nil {
		c, err := l.dial(ctx, name)
		if err != nil {
			l.failed.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(again):
			}
			continue
		}
		l.connected.Add(1)
		l.publish(ctx, c)
		l.connected.Add(-1)
		l.lost.Add(1)
	}
}

func (l *load) dial(ctx context.Context, name string) (*supervisor.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*stepTimeout)
	defer cancel()
	return supervisor.Dial(ctx, l.external, l.tls, l.token, name)
}

func (l *load) publish(ctx context.Context, c *supervisor.Client) {
	defer c.Close() //nolint:errcheck // the end of the connection
	tick := time.NewTicker(l.o.every)
	defer tick.Stop()
	payload := make([]byte, 64) // as large as a small event
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now().UnixNano()
		binary.BigEndian.PutUint64(payload, uint64(now))
		if c.Publish(subject, payload) != nil {
			return
		}
		if l.counts(now) {
			l.published.Add(1)
		}
	}
}

// counts reports whether an event sent at a time belongs to the measurement.
func (l *load) counts(sent int64) bool {
	begin, end := l.begin.Load(), l.end.Load()
	return begin != 0 && sent >= begin && (end == 0 || sent < end)
}

func (l *load) receive(m *nats.Msg) {
	if len(m.Data) < 8 {
		return
	}
	sent := int64(binary.BigEndian.Uint64(m.Data)) //nolint:gosec // made by publish
	if !l.counts(sent) {
		return
	}
	took := time.Duration(time.Now().UnixNano() - sent)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latencies = append(l.latencies, took)
}

func (l *load) delivered() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.latencies))
}

func (l *load) summarize(r *result) {
	r.Failed, r.Lost, r.Published, r.Delivered = l.failed.Load(), l.lost.Load(), l.published.Load(), l.delivered()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.latencies) == 0 {
		return
	}
	slices.Sort(l.latencies)
	at := func(share float64) float64 {
		return milliseconds(l.latencies[min(int(share*float64(len(l.latencies))), len(l.latencies)-1)])
	}
	r.P50MS, r.P99MS, r.MaxMS = at(0.5), at(0.99), at(1)
}

func waitFor(ctx context.Context, limit time.Duration, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
