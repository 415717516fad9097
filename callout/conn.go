package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// serviceName is the name in nats micro list, the queue group, and the name of
// the connections.
const serviceName = "usher"

const (
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	drainPoll       = 2 * time.Millisecond
	confirmTimeout  = 5 * time.Second
)

// conn is one service connection with its subscription.
type conn struct {
	nc      *nats.Conn
	service micro.Service
	refused atomic.Pointer[error] // why the server refused the subscription; nil: it did not
	stands  atomic.Bool           // the server has confirmed all that was sent since it connected
}

// connect makes connection i of the service. It survives whatever the server
// does: an authorization error must not close it for good, as it would by
// default after two in a row, and neither must a server that is not there yet.
func (s *Service) connect(i int) (*conn, error) {
	c := &conn{}
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
		nats.ConnectHandler(func(nc *nats.Conn) { c.connected(log, nc, "connected") }),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.connected(log, nc, "reconnected") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.stands.Store(false)
			disconnected(log, err)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { c.failed(log, sub, err) }),
	}, s.cfg.Options...)
	nc, err := nats.Connect(s.cfg.URLs, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c.nc = nc
	c.service, err = micro.AddService(nc, micro.Config{
		Name:        serviceName,
		Version:     s.cfg.Version,
		Description: "NATS auth callout service",
		QueueGroup:  serviceName,
	})
	if err == nil {
		err = c.service.AddEndpoint("auth", micro.HandlerFunc(func(r micro.Request) {
			s.enqueue(r, nc.MaxPayload())
		}), micro.WithEndpointSubject(Subject))
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	// The handler for the first connection may have run before the subscription was made.
	c.confirm(nc)
	return c, nil
}

// confirm waits for the server to have taken the subscription: until then,
// whoever asks finds nobody, and times out.
func (c *conn) confirm(nc *nats.Conn) {
	c.stands.Store(nc.IsConnected() && nc.FlushTimeout(confirmTimeout) == nil)
}

func (c *conn) connected(log *slog.Logger, nc *nats.Conn, msg string) {
	c.refused.Store(nil)
	c.confirm(nc)
	log.LogAttrs(context.Background(), slog.LevelInfo, "service connection", slog.String("state", msg),
		slog.String("url", nc.ConnectedUrlRedacted()), slog.String("server_name", nc.ConnectedServerName()))
}

func disconnected(log *slog.Logger, err error) {
	if err == nil {
		return // closed by us
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, "service connection",
		slog.String("state", "disconnected"), slog.String("error", err.Error()))
}

func (c *conn) failed(log *slog.Logger, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) && sub != nil && sub.Subject == Subject {
		c.refused.Store(&err)
	}
	log.LogAttrs(context.Background(), slog.LevelError, "service connection",
		slog.String("state", "error"), slog.String("error", err.Error()))
}

// ready returns nil if requests can come in on this connection.
func (c *conn) ready() error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("not connected to NATS: %s", c.nc.Status())
	}
	if err := c.refused.Load(); err != nil {
		return fmt.Errorf("subscription refused: %w", *err)
	}
	if !c.stands.Load() {
		return errors.New("the subscription is not confirmed yet")
	}
	return nil
}

// leave leaves the queue group; what the server has sent already still comes.
func (c *conn) leave() {
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
