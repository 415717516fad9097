package sessions

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/session"
	"usher/internal/audit"
)

// atOnce is how many sessions of one request are being closed at a time. A server that does
// not answer must not hold up the others.
const atOnce = 256

// closeTimeout is how long usher waits for a server to say that a session is gone.
const closeTimeout = 10 * time.Second

// closing closes the sessions of one request.
type closing struct {
	handlers *Handlers
	request  *rest.Request
	in       *wire.SessionKick
	lines    *rest.Lines

	actor, actorKeyID string // the request may find its caller again while sessions are closed

	mu     sync.Mutex
	result *wire.KickResult
	done   int
}

// run closes sessions at the rate of the request. It ends early if the caller disconnects.
// It fails if the caller may not close them any more.
func (c *closing) run(chosen []*session.Session, v *view) error {
	ctx, stop := context.WithCancel(c.request.Context())
	defer stop()
	var group errgroup.Group
	group.SetLimit(atOnce)
	pace := rate.NewLimiter(rate.Limit(c.in.Rate), 1)
	var refused error
	tried := 0
	for i, s := range chosen {
		if pace.Wait(ctx) != nil {
			break
		}
		if refused = c.reauthorize(v); refused != nil {
			break
		}
		tried++
		group.Go(func() error {
			c.close(ctx, s)
			return nil
		})
		if i%c.in.Rate == 0 {
			c.report(len(chosen))
		}
	}
	_ = group.Wait() // no function returns an error
	c.result.NotTried = len(chosen) - tried
	return refused
}

// reauthorize checks the caller again in the current directory.
func (c *closing) reauthorize(v *view) error {
	if err := c.request.Reauthorize(c.request.Store().Snapshot()); err != nil {
		return err
	}
	if viewOf(c.request).limited != v.limited {
		return apierror.Forbidden()
	}
	return nil
}

// report tells the caller of the progress.
func (c *closing) report(total int) {
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	c.lines.Send(wire.KickLine{Done: done, Total: total})
}

// close closes one session.
func (c *closing) close(ctx context.Context, s *session.Session) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	err := c.handlers.cfg.Live.Close(ctx, s.ID)
	if err == nil && c.handlers.cfg.Closed != nil {
		e := s.Closed(c.handlers.cfg.Now(), audit.ClosedKicked)
		e.RequestID, e.Actor, e.ActorKeyID, e.Reason = c.request.ID(), c.actor, c.actorKeyID, c.in.Reason
		c.handlers.cfg.Closed(e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	switch {
	case err == nil:
		c.result.Closed++
	case len(c.result.NotClosed) < maxListed:
		c.result.NotClosed = append(c.result.NotClosed, wire.NotClosed{ID: s.String(), User: s.Identity.Name, Cause: err.Error()})
	}
}
