package callout

import (
	"context"
	"runtime/debug"
	"time"

	"usher/callout/admission"
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
// what waits, because its turn depends on the client inside: open ends before admit
// does. The steps from authenticate to seal are in decide.
//
// A step adds what it finds to the exchange. One that returns false ends the way: it has
// set an outcome that is not answered, or a denial, which is issued as a grant is.
// handle returns false when the service stops, and after a request whose worker has been
// replaced.
func (s *Service) handle(c *conn) bool {
	x, ok := s.admit(c)
	if !ok {
		return false
	}
	s.cfg.Metrics.DecisionStarted()
	ctx, cancel := context.WithTimeout(s.ctx, s.timeLeft(x))
	s.decide(ctx, x)
	cancel()
	s.runStep(s.ctx, x, stepRespond, s.respond)
	s.record(x)
	s.cfg.Metrics.DecisionEnded()
	s.finished(x)
	return !x.replaced
}

// timeLeft returns how long a request may take from now on.
func (s *Service) timeLeft(x *exchange) time.Duration {
	return admission.MaxAge(s.cfg.Budget) - x.took(stepAdmit)
}

// decide takes an open request to its sealed answer. sampleConnectTime has authenticated
// some requests before.
func (s *Service) decide(ctx context.Context, x *exchange) {
	granted := (x.authenticated || s.runStep(ctx, x, stepAuthenticate, s.authenticate)) &&
		s.runStep(ctx, x, stepVerify, s.verify) &&
		s.runStep(ctx, x, stepDerive, s.derive)
	if granted || x.decision.Outcome == Denied {
		_ = s.runStep(ctx, x, stepIssue, s.issue) && s.runStep(ctx, x, stepSeal, s.seal)
	}
}

// runStep runs one step of a request and records its times.
func (s *Service) runStep(ctx context.Context, x *exchange, n step, run func(context.Context, *exchange) bool) bool {
	x.steps[n].start = s.cfg.Now()
	ok := s.catchPanic(x, func() bool { return run(ctx, x) })
	x.steps[n].end = s.cfg.Now()
	return ok
}

// catchPanic turns a panic into "cannot decide", so that one request cannot stop the
// service.
func (s *Service) catchPanic(x *exchange, run func() bool) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Panicked(p, debug.Stack(), x.filter())
			ok = x.end(Unavailable, CodeInternal, "panic")
		}
	}()
	return run()
}
