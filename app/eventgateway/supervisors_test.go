package eventgateway_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

const (
	retry       = 200 * time.Millisecond // of supervisors. Habitat waits for 5 s
	eventPeriod = 100 * time.Millisecond
)

// supervisors publish events by core NATS, and count. What they publish while they are
// disconnected is dropped, as Habitat does.
type supervisors struct {
	conns                                      []*nats.Conn
	published                                  []atomic.Int64 // the number of the last event of each
	dropped, reconnects, denials, more, closed atomic.Int64
	refused                                    atomic.Int64 // attempts to do more than ingest

	mu       sync.Mutex
	received map[string]int // events by id and number
	last     []int          // the highest number received of each
}

// startSupervisors connects n supervisors that publish until the test ends, and a service
// that counts what arrives.
func (s *site) startSupervisors(t *testing.T, n int) *supervisors {
	t.Helper()
	v := &supervisors{published: make([]atomic.Int64, n), received: map[string]int{}, last: make([]int, n)}
	service := s.Service(t, setup.ServiceApplications, nats.MaxReconnects(-1), nats.ReconnectWait(retry))
	_, err := service.QueueSubscribe("habitat.event.>", "automate", v.count)
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	var stopping atomic.Bool
	for range n {
		v.conns = append(v.conns, s.Supervisor(t, gatewaytest.IngestToken,
			nats.MaxReconnects(-1), nats.ReconnectWait(retry), nats.ReconnectJitter(retry, retry), nats.ReconnectBufSize(-1),
			nats.ReconnectHandler(func(nc *nats.Conn) { v.reconnects.Add(1); v.tryMore(nc) }),
			nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { v.failed(err) }),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { v.failed(err) }),
			nats.ClosedHandler(func(*nats.Conn) {
				if !stopping.Load() {
					v.closed.Add(1)
				}
			}),
		))
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i := range v.conns {
		running.Go(func() { v.publish(i, stop) })
	}
	t.Cleanup(func() { stopping.Store(true); close(stop); running.Wait() })
	return v
}

func (v *supervisors) publish(i int, stop chan struct{}) {
	tick := time.NewTicker(eventPeriod)
	defer tick.Stop()
	v.tryMore(v.conns[i])
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		number := v.published[i].Load() + 1
		if err := v.conns[i].Publish("habitat.event.healthcheck", fmt.Appendf(nil, "%d:%d", i, number)); err != nil {
			v.dropped.Add(1)
			continue
		}
		v.published[i].Store(number)
	}
}

// tryMore tries to do more than publish events. Every attempt is to be refused.
func (v *supervisors) tryMore(nc *nats.Conn) {
	_ = nc.Publish("habitat.event.a.b", nil) // fails if disconnected again
	sub, err := nc.Subscribe(">", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Subject, "_INBOX.") {
			v.more.Add(1)
		}
	})
	if err == nil {
		_ = sub.AutoUnsubscribe(1000) // it is refused
	}
}

func (v *supervisors) failed(err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		v.refused.Add(1)
	case errors.Is(err, nats.ErrAuthorization):
		v.denials.Add(1)
	}
}

func (v *supervisors) count(m *nats.Msg) {
	id, number, _ := strings.Cut(string(m.Data), ":")
	i, err := strconv.Atoi(id)
	n, err2 := strconv.Atoi(number)
	v.mu.Lock()
	defer v.mu.Unlock()
	if m.Subject != "habitat.event.healthcheck" || err != nil || err2 != nil {
		v.more.Add(1)
		return
	}
	v.received[string(m.Data)]++
	v.last[i] = max(v.last[i], n)
}

// arrived reports whether of every supervisor an event has arrived that it published after
// since.
func (v *supervisors) arrived(since []int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, n := range v.last {
		if int64(n) <= since[i] {
			return false
		}
	}
	return true
}

// now returns the numbers of the last events.
func (v *supervisors) now() []int64 {
	numbers := make([]int64, len(v.published))
	for i := range v.published {
		numbers[i] = v.published[i].Load()
	}
	return numbers
}

// report prints the counts and checks what must never happen.
func (v *supervisors) report(t *testing.T) {
	t.Helper()
	published := int64(0)
	for _, n := range v.now() {
		published += n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	duplicates := 0
	for _, n := range v.received {
		duplicates += n - 1
	}
	t.Logf("core NATS: %d supervisors, published %d, received %d, lost %d, dropped while disconnected %d, duplicates %d, reconnects %d, denials %d, more than ingest refused %d times",
		len(v.conns), published, len(v.received), published-int64(len(v.received)), v.dropped.Load(), duplicates, v.reconnects.Load(), v.denials.Load(), v.refused.Load())
	if v.denials.Load() > 0 || v.closed.Load() > 0 {
		t.Errorf("supervisors were denied %d times, and %d gave up", v.denials.Load(), v.closed.Load())
	}
	if v.more.Load() > 0 || v.refused.Load() < int64(len(v.conns)) {
		t.Errorf("supervisors could do more than ingest: %d messages, %d times refused", v.more.Load(), v.refused.Load())
	}
	if duplicates > 0 {
		t.Errorf("%d duplicates", duplicates)
	}
}
