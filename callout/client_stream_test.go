package callout_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// crowd is a steady stream of clients. Half are nats.go as it comes, with
// RetryOnFailedConnect: it tries on by itself, and closes for good when it is
// refused twice. The other half try once and, if that fails, at once again, so
// that every error they see is counted.
type crowd struct {
	t       *testing.T
	url     string
	opts    []nats.Option
	clients sync.WaitGroup

	mu       sync.Mutex
	refused  int            // times a client saw an authorization error
	failed   map[string]int // times a client saw any other error, by text
	closed   int            // clients that gave up for good
	admitted int
	slowest  time.Duration // longest time from a client's start until it was in
	last     time.Time     // when the last one got in that had met an error
}

// pace is the time between two clients: 40 a second.
const pace = 25 * time.Millisecond

func newClientStream(t *testing.T, url string, opts ...nats.Option) *crowd {
	t.Helper()
	return &crowd{t: t, url: url, failed: map[string]int{}, opts: append(opts, nats.Token("publisher-key"))}
}

// come starts n clients, one after the other at the pace of the crowd.
func (c *crowd) come(n int) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		if i%2 == 0 {
			c.clients.Go(c.reconnectingClient)
		} else {
			c.clients.Go(c.retryingClient)
		}
	}
}

// reconnectingClient is a real client that leaves the trying to nats.go.
func (c *crowd) reconnectingClient() {
	start := time.Now()
	in, gone := make(chan struct{}), make(chan struct{})
	met := false
	nc, err := nats.Connect(c.url, append(slices.Clip(c.opts),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.NoCallbacksAfterClientClose(),
		nats.ConnectHandler(func(*nats.Conn) { close(in) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { met = true; c.saw(err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(gone) }),
	)...)
	if err != nil {
		c.saw(err)
		return
	}
	defer nc.Close()
	select {
	case <-in: // after every call of the error handler
		c.entered(start, met)
	case <-gone:
		c.mu.Lock()
		c.closed++
		c.mu.Unlock()
	case <-time.After(30 * time.Second):
		c.t.Error("a client did not get in within 30 s")
	}
}

// retryingClient tries until it is in, and counts each error.
func (c *crowd) retryingClient() {
	start := time.Now()
	met := false
	for time.Since(start) < 30*time.Second {
		nc, err := nats.Connect(c.url, c.opts...)
		if err == nil {
			c.entered(start, met)
			nc.Close()
			return
		}
		met = true
		c.saw(err)
		if errors.Is(err, nats.ErrAuthorization) {
			return
		}
		if errors.Is(err, nats.ErrNoServers) { // nobody listens: no use in haste
			<-time.After(pace)
		}
	}
	c.t.Error("a client did not get in within 30 s")
}

func (c *crowd) saw(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, nats.ErrAuthorization) {
		c.refused++
		return
	}
	text := err.Error()
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		text = "i/o timeout"
	case errors.Is(err, nats.ErrNoServers):
		text = "no servers"
	}
	c.failed[text]++
}

func (c *crowd) entered(start time.Time, met bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admitted++
	c.slowest = max(c.slowest, time.Since(start))
	if met {
		c.last = time.Now()
	}
}

// report waits for all, says what happened since the moment something did, and
// fails if anybody was refused.
func (c *crowd) report(since time.Time) {
	c.t.Helper()
	c.clients.Wait()
	well := "nobody met an error"
	if !c.last.IsZero() {
		well = fmt.Sprintf("the last one who had met an error was in after %s", c.last.Sub(since).Round(time.Millisecond))
	}
	c.t.Logf("figures: %d of %d in, %d refused, %d closed for good, slowest %s, errors %v; %s",
		c.admitted, clientCount, c.refused, c.closed, c.slowest.Round(time.Millisecond), c.failed, well)
	if c.refused > 0 || c.closed > 0 {
		c.t.Errorf("%d authorization errors, %d closed for good", c.refused, c.closed)
	}
	if c.admitted != clientCount {
		c.t.Errorf("%d of %d got in", c.admitted, clientCount)
	}
}
