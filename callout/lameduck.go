package callout

import (
	"context"
	"log/slog"
	"time"
)

// movePatience is how long a connection that moves finishes what it has taken. It is
// well within the grace that nats-server gives in lame duck mode (10 s by default).
const movePatience = 2 * time.Second

// moveOn goes to another server before the one that c is connected to ends: that one
// has said so (lame duck mode), as servers do that are restarted one after the other.
// What was asked for is answered first, and the queue group is left before the
// connection is, so that no request is sent to where nobody is. One connection moves
// at a time, so that others serve meanwhile. nats.go hands over its events one by
// one, and this must not hold them up.
func (s *Service) moveOn(log *slog.Logger, c *conn) {
	if len(c.nc.Servers()) < 2 {
		return // there is nowhere to go
	}
	s.pending.Add(1) // Drain waits
	go func() {
		defer s.pending.Add(-1)
		s.moving.Lock()
		defer s.moving.Unlock()
		c.serving.Lock()
		defer c.serving.Unlock()
		if s.draining.Load() || !c.nc.IsConnected() || c.service == nil {
			return
		}
		from := c.nc.ConnectedServerName()
		_ = c.service.Stop() // the error is that the connection is closed
		ctx, cancel := context.WithTimeout(s.ctx, movePatience)
		defer cancel()
		if c.left(ctx) == nil {
			_ = still(ctx, &c.pending) // what is not answered by then is answered from there
		}
		// The errors are that the connection is closed, or was lost: then it is made
		// again anyway.
		_ = c.nc.FlushWithContext(ctx)
		_ = c.nc.ForceReconnect()
		if err := s.subscribe(c); err != nil {
			c.service = nil
			log.LogAttrs(s.ctx, slog.LevelError, "service connection", slog.String("state", "not subscribed"), slog.String("error", err.Error()))
			return
		}
		c.settle(ctx)
		// What servers have sent to where it was, before they knew, may be on its way still:
		// the connections that are left there answer it.
		select {
		case <-time.After(quiet):
		case <-ctx.Done():
		}
		log.LogAttrs(s.ctx, slog.LevelInfo, "service connection", slog.String("state", "moved"),
			slog.String("from", from), slog.String("server_name", c.nc.ConnectedServerName()))
	}()
}

// settle waits until requests can come in on c again.
func (c *conn) settle(ctx context.Context) {
	c.poll(ctx, func() bool { return c.nc.IsConnected() && c.misplaced.Load() == nil })
	c.confirm(c.nc)
}

func (c *conn) poll(ctx context.Context, done func() bool) {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
