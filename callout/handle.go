package callout

import (
	"context"
	"runtime/debug"
)

// work is one worker of a connection. It takes one request at a time along its way,
// until the service stops.
func (s *Service) work(c *conn) {
	select {
	case <-c.accountKnown: // no request may be answered before
	case <-s.stop:
		return
	}
	for s.handle(c) {
	}
}

// handle takes the next request of a connection along its way:
//
//	receive → admit → open → authenticate → verify → derive → issue → seal → respond → record
//
// receive has put it into the queue of the connection. admit waits for it, and opens
// what waits, because its turn depends on the client inside. A step that returns false
// ends the way: the exchange then has an outcome that is not answered, or a denial,
// which is issued as a grant is. handle returns false when the service stops.
func (s *Service) handle(c *conn) bool {
	x, ok := s.admit(c)
	if !ok {
		return false
	}
	s.cfg.Metrics.DecisionStarted()
	ctx, cancel := context.WithTimeout(s.ctx, s.timeLeft(x))
	s.decide(ctx, x)
	cancel()
	s.do(s.ctx, x, stepRespond, s.respond)
	s.record(x)
	s.cfg.Metrics.DecisionEnded()
	s.finished(x)
	return true
}

// decide takes an open request to its sealed answer.
func (s *Service) decide(ctx context.Context, x *exchange) {
	if (x.authenticated || s.do(ctx, x, stepAuthenticate, s.authenticate)) &&
		s.do(ctx, x, stepVerify, s.verify) &&
		s.do(ctx, x, stepDerive, s.derive) || x.decision.Outcome == Denied {
		_ = s.do(ctx, x, stepIssue, s.issue) && s.do(ctx, x, stepSeal, s.seal)
	}
}

// do runs one step of a request and records its times.
func (s *Service) do(ctx context.Context, x *exchange, n step, run func(context.Context, *exchange) bool) bool {
	x.steps[n].start = s.cfg.Now()
	ok := s.guard(x, func() bool { return run(ctx, x) })
	x.steps[n].end = s.cfg.Now()
	return ok
}

// guard turns a panic into "cannot decide", so that one request cannot stop the
// service.
func (s *Service) guard(x *exchange, run func() bool) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			s.log.panicked(p, debug.Stack(), x.filter())
			ok = x.withhold(Unavailable, CodeInternal, "panic")
		}
	}()
	return run()
}
