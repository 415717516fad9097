package callout

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"usher/callout/admission"
	"usher/callout/congestion"
	"usher/callout/keyusage"
)

// serviceName is the name in nats micro list, the queue group, and the name of
// the connections.
const serviceName = keyusage.ServiceName

const (
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	drainPoll       = 2 * time.Millisecond
	confirmTimeout  = 5 * time.Second
)

// conn is one service connection with its subscription.
type conn struct {
	nc        *nats.Conn
	serving   sync.Mutex            // held while service changes
	service   micro.Service         // guarded by serving
	refused   atomic.Pointer[error] // why the server refused the subscription; nil: it did not
	misplaced atomic.Pointer[error] // why nothing may be answered here; nil: it is the callout account
	placed    chan struct{}         // closed once misplaced says something
	placing   sync.Once
	stands    atomic.Bool // the server has confirmed all that was sent since it connected
	queue     *admission.Queue[*job]
	window    *congestion.Window
	idle      atomic.Int64 // workers that hold a place in the window and have nothing to do
	pending   atomic.Int64 // requests that came by it and are not finished
}

// connect makes connection i of the service. It survives whatever the server
// does: an authorization error must not close it for good, as it would by
// default after two in a row, and neither must a server that is not there yet.
func (s *Service) connect(i int) (*conn, error) {
	c := &conn{placed: make(chan struct{}), window: congestion.NewWindow(s.cfg.Connections, s.cfg.Now)}
	c.queue = admission.NewQueue[*job](admission.Config{
		Limit: share(s.cfg.Queue, s.cfg.Connections), MaxAge: s.cfg.Budget, Order: s.cfg.Order,
		Delay: c.window.Delay, Now: s.cfg.Now,
	})
	c.misplaced.Store(&errUnchecked)
	log := s.cfg.Log.With(slog.Int("connection", i))
	opts := append([]nats.Option{
		nats.Name(serviceName + "-" + strconv.Itoa(i)),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		// An answer that could not be sent at once comes too late anyway.
		nats.ReconnectBufSize(-1),
		// Requests leave no subscription behind: left counts those that are there.
		nats.UseOldRequestStyle(),
		nats.ConnectHandler(func(nc *nats.Conn) { c.connected(log, nc, s.cfg.Account, "connected") }),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.connected(log, nc, s.cfg.Account, "reconnected") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.stands.Store(false)
			c.window.Reset()
			disconnected(log, err)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.failed(log, err) }),
		nats.LameDuckModeHandler(func(*nats.Conn) { s.moveOn(log, c) }),
	}, s.cfg.Options...)
	nc, err := nats.Connect(s.cfg.URLs, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c.nc = nc
	c.serving.Lock()
	err = s.subscribe(c)
	c.serving.Unlock()
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	for range share(s.cfg.Workers, s.cfg.Connections) {
		s.workers.Go(func() { s.work(c) })
	}
	s.workers.Go(func() { s.confirmAnswers(c) })
	// The handler for the first connection may have run before the subscription was made.
	c.confirm(nc)
	return c, nil
}

// subscribe joins the queue group. The caller holds c.serving.
func (s *Service) subscribe(c *conn) (err error) {
	c.service, err = micro.AddService(c.nc, micro.Config{
		Name:         serviceName,
		Version:      s.cfg.Version,
		Description:  "NATS auth callout service",
		QueueGroup:   serviceName,
		StatsHandler: func(*micro.Endpoint) any { return s.stats(c) },
	})
	if err == nil {
		err = c.service.AddEndpoint("auth", micro.HandlerFunc(func(r micro.Request) {
			s.enqueue(r, c)
		}), micro.WithEndpointSubject(Subject))
	}
	return err
}

// share returns what each of n gets of all, rounded up.
func share(all, n int) int { return (all + n - 1) / n }

// confirmAnswers asks the server how far it has come with the answers, as soon
// as there are some, until the service has stopped. A connection works through
// what it is sent in order, so that a PONG says that it is through.
func (s *Service) confirmAnswers(c *conn) {
	for {
		epoch, ok := c.window.BeginFlush(s.stop)
		if !ok {
			return
		}
		_ = c.nc.FlushTimeout(confirmTimeout) // a connection that is lost has been lost to the window too
		c.window.EndFlush(epoch)
	}
}

// leave leaves the queue group; what the server has sent already still comes.
func (c *conn) leave() {
	c.serving.Lock()
	defer c.serving.Unlock()
	if c.service == nil {
		return // it could not be joined again after a move
	}
	// The error is that the connection is closed, and then there is nothing to leave.
	_ = c.service.Stop()
}

// left waits until everything the server had sent has been taken. nats.go tells
// no caller when a subscription that micro owns has drained, but a drained one
// no longer counts. Without a connection nothing can come any more.
func (c *conn) left(ctx context.Context) error {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for c.nc.NumSubscriptions() > 0 && c.nc.IsConnected() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("leave the queue group: %w", ctx.Err())
		}
	}
	return nil
}
