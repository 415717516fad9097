package callout

import (
	"context"
	"log/slog"
	"time"
)

// moveTimeout is how long a connection may take to finish its requests before it
// moves. It is well within the lame duck grace period of nats-server (10 s by
// default).
const moveTimeout = 2 * time.Second

// leaveLameDuck moves c to another server, because its server is in lame duck
// mode: it is about to stop, as in a rolling restart. c leaves the queue group
// first and answers what it has received, so that no request is sent to a closed
// connection. One connection moves at a time, so that the others keep serving. It
// runs in a goroutine, because nats.go calls its handlers one after the other.
func (s *Service) leaveLameDuck(log *slog.Logger, c *conn) {
	if len(c.nc.Servers()) < 2 {
		return // there is no other server
	}
	server := c.nc.ConnectedServerId()
	s.pending.Add(1) // makes Drain wait
	go func() {
		defer s.pending.Add(-1)
		s.moving.Lock()
		defer s.moving.Unlock()
		c.serviceMu.Lock()
		defer c.serviceMu.Unlock()
		if s.draining.Load() || !c.nc.IsConnected() || c.service == nil {
			return
		}
		// A server in lame duck mode announces it again with each change of its cluster.
		if c.nc.ConnectedServerId() != server {
			return
		}
		from := c.nc.ConnectedServerName()
		_ = c.service.Stop() // fails if the connection is closed
		ctx, cancel := context.WithTimeout(s.ctx, moveTimeout)
		defer cancel()
		if c.waitDrained(ctx) == nil {
			_ = waitIdle(ctx, &c.pending) // answers that take longer are sent on the new connection
		}
		// These fail if the connection is closed or lost. nats.go reconnects then anyway.
		_ = c.nc.FlushWithContext(ctx)
		_ = c.nc.ForceReconnect()
		if err := s.subscribe(c); err != nil {
			c.service = nil
			log.LogAttrs(s.ctx, slog.LevelError, "service connection", slog.String("state", "not subscribed"), slog.String("error", err.Error()))
			return
		}
		c.waitReady(ctx)
		// Servers may have sent requests to the old server before they knew that c left it.
		// The connections that have not moved yet answer those.
		select {
		case <-time.After(idleTime):
		case <-ctx.Done():
		}
		log.LogAttrs(s.ctx, slog.LevelInfo, "service connection", slog.String("state", "moved"),
			slog.String("from", from), slog.String("server_name", c.nc.ConnectedServerName()))
	}()
}

// waitReady waits until requests can arrive on c again.
func (c *conn) waitReady(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !c.nc.IsConnected() || c.accountError.Load() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	c.confirmSubscription(c.nc)
}
