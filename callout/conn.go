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

// serviceName is the name of the nats micro service and of the queue group, and
// the prefix of the connection names.
const serviceName = keyusage.ServiceName

const (
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	pollInterval    = 2 * time.Millisecond
	flushTimeout    = 5 * time.Second
)

// conn is one service connection with its subscription.
type conn struct {
	nc           *nats.Conn
	serviceMu    sync.Mutex
	service      micro.Service         // guarded by serviceMu; nil: not subscribed
	subError     atomic.Pointer[error] // why the server refused the subscription; nil: it did not
	accountError atomic.Pointer[error] // why requests must not be answered here; nil: the connection is in the callout account
	accountKnown chan struct{}         // closed once accountError has been determined
	accountOnce  sync.Once             // closes accountKnown
	subscribed   atomic.Bool           // the server has confirmed the subscription since it connected
	queue        *admission.Queue[*exchange]
	window       *congestion.Window
	turn         sync.Mutex   // held by the worker that waits for the next request
	pending      atomic.Int64 // requests received on it and not finished
}

// connect opens connection i of the service. Nothing the server does closes it
// permanently: neither being unreachable at the start, nor repeated authorization
// errors, after which nats.go gives up by default.
func (s *Service) connect(i int) (*conn, error) {
	c := &conn{accountKnown: make(chan struct{}), window: congestion.NewWindow(s.cfg.Connections, s.cfg.Now)}
	c.queue = admission.NewQueue(admission.Config[*exchange]{
		Limit: share(s.cfg.Queue, s.cfg.Connections), Patience: s.cfg.Budget, Order: s.cfg.Order,
		Delay: c.window.Delay, Open: s.findSource, Now: s.cfg.Now,
	})
	c.accountError.Store(&errAccountUnknown)
	log := s.cfg.Log.With(slog.Int("connection", i))
	opts := append([]nats.Option{
		nats.Name(serviceName + "-" + strconv.Itoa(i)),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		// An answer that cannot be sent at once would be too late.
		nats.ReconnectBufSize(-1),
		// waitDrained counts subscriptions, so requests must not leave one behind.
		nats.UseOldRequestStyle(),
		nats.ConnectHandler(func(nc *nats.Conn) { c.connected(log, nc, s.cfg.Account, "connected") }),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.connected(log, nc, s.cfg.Account, "reconnected") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.subscribed.Store(false)
			c.window.Reset()
			disconnected(log, err)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.asyncError(log, err) }),
		nats.LameDuckModeHandler(func(*nats.Conn) { s.leaveLameDuck(log, c) }),
	}, s.cfg.Options...)
	nc, err := nats.Connect(s.cfg.URLs, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c.nc = nc
	c.serviceMu.Lock()
	err = s.subscribe(c)
	c.serviceMu.Unlock()
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	for range cap(s.cpu) { // a worker that waits for a slow verifier is replaced
		s.workers.Go(func() { s.work(c) })
	}
	s.workers.Go(func() { s.flushAnswers(c) })
	// The connect handler may have run before the subscription was made.
	c.confirmSubscription(nc)
	return c, nil
}

// subscribe joins the queue group. The caller holds c.serviceMu.
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
			s.receive(r, c)
		}), micro.WithEndpointSubject(Subject))
	}
	return err
}

// share returns each of n parts of a total, rounded up.
func share(total, n int) int { return (total + n - 1) / n }

// flushAnswers flushes the connection whenever answers have been sent, until the
// service stops. A server processes the messages of a connection in order, so its
// PONG shows that it has processed the answers.
func (s *Service) flushAnswers(c *conn) {
	for {
		epoch, ok := c.window.BeginFlush(s.stop)
		if !ok {
			return
		}
		_ = c.nc.FlushTimeout(flushTimeout) // fails if the connection is lost, which resets the window too
		c.window.EndFlush(epoch)
	}
}

// leaveGroup leaves the queue group. Requests that the server has sent already
// still arrive.
func (c *conn) leaveGroup() {
	c.serviceMu.Lock()
	defer c.serviceMu.Unlock()
	if c.service == nil {
		return // the subscription failed after a move
	}
	_ = c.service.Stop() // fails if the connection is closed, which leaves the group too
}

// waitDrained waits until all requests that the server had sent are in the queue.
// nats.go does not report when a subscription of a micro service has drained, but
// a drained one no longer counts. Nothing arrives on a connection that is lost.
func (c *conn) waitDrained(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
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
