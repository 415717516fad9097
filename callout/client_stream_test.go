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

// clientStream is a steady stream of connecting clients. Half of them use
// RetryOnFailedConnect of nats.go, which retries, and closes the connection after two
// authorization errors. The other half connect in a loop, which counts every error.
type clientStream struct {
	t       *testing.T
	url     string
	opts    []nats.Option
	clients sync.WaitGroup

	mu        sync.Mutex
	refused   int            // authorization errors
	failed    map[string]int // other errors, by text
	closed    int            // connections that nats.go closed
	connected int
	slowest   time.Duration // longest time until a client was connected
	last      time.Time     // when the last client connected after an error
}

// interval is the time between two clients: 40 a second.
const interval = 25 * time.Millisecond

func newClientStream(t *testing.T, url string, opts ...nats.Option) *clientStream {
	t.Helper()
	return &clientStream{t: t, url: url, failed: map[string]int{}, opts: append(opts, nats.Token("publisher-key"))}
}

// start starts n clients, one each interval.
func (c *clientStream) start(n int) {
	tick := time.NewTicker(interval)
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

// reconnectingClient is a client whose retries nats.go makes.
func (c *clientStream) reconnectingClient() {
	start := time.Now()
	connected, closed := make(chan struct{}), make(chan struct{})
	failed := false
	nc, err := nats.Connect(c.url, append(slices.Clip(c.opts),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.NoCallbacksAfterClientClose(),
		nats.ConnectHandler(func(*nats.Conn) { close(connected) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { failed = true; c.recordError(err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
	)...)
	if err != nil {
		c.recordError(err)
		return
	}
	defer nc.Close()
	select {
	case <-connected: // after every call of the error handler
		c.recordConnect(start, failed)
	case <-closed:
		c.mu.Lock()
		c.closed++
		c.mu.Unlock()
	case <-time.After(30 * time.Second):
		c.t.Error("timed out waiting 30 s for a client to connect")
	}
}

// retryingClient retries until it is connected, and counts each error.
func (c *clientStream) retryingClient() {
	start := time.Now()
	failed := false
	for time.Since(start) < 30*time.Second {
		nc, err := nats.Connect(c.url, c.opts...)
		if err == nil {
			c.recordConnect(start, failed)
			nc.Close()
			return
		}
		failed = true
		c.recordError(err)
		if errors.Is(err, nats.ErrAuthorization) {
			return
		}
		if errors.Is(err, nats.ErrNoServers) { // the server is down: do not retry at once
			<-time.After(interval)
		}
	}
	c.t.Error("timed out waiting 30 s for a client to connect")
}

func (c *clientStream) recordError(err error) {
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

func (c *clientStream) recordConnect(start time.Time, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected++
	c.slowest = max(c.slowest, time.Since(start))
	if failed {
		c.last = time.Now()
	}
}

// report waits for all clients and logs the figures. It fails the test if a client was
// refused or did not connect. since is when the disturbance began.
func (c *clientStream) report(since time.Time) {
	c.t.Helper()
	c.clients.Wait()
	recovery := "no errors"
	if !c.last.IsZero() {
		recovery = fmt.Sprintf("the last client with an error connected after %s", c.last.Sub(since).Round(time.Millisecond))
	}
	c.t.Logf("figures: %d of %d connected, %d refused, %d closed, slowest %s, errors %v; %s",
		c.connected, clientCount, c.refused, c.closed, c.slowest.Round(time.Millisecond), c.failed, recovery)
	if c.refused > 0 || c.closed > 0 {
		c.t.Errorf("%d authorization errors, %d connections closed", c.refused, c.closed)
	}
	if c.connected != clientCount {
		c.t.Errorf("%d of %d connected", c.connected, clientCount)
	}
}
