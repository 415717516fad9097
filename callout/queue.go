package callout

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go/micro"

	"usher/metrics"
)

// job is one request on its way.
type job struct {
	req     micro.Request
	arrival time.Time
	conn    *conn // that it came by
}

// enqueue takes a request off the subscription's goroutine. It never waits: a
// request that finds the queue full is shed.
func (s *Service) enqueue(req micro.Request, c *conn) {
	j := job{req: req, arrival: s.cfg.Now(), conn: c}
	s.pending.Add(1)
	s.cfg.Metrics.Taken()
	select {
	case s.queue <- j:
	default:
		s.shed(&j, CodeQueueFull, "more requests are waiting than the queue takes")
		s.finished()
	}
}

func (s *Service) finished() {
	s.cfg.Metrics.Done()
	s.pending.Add(-1)
}

// work is one worker: it takes requests until the service has stopped.
func (s *Service) work() {
	for {
		select {
		case j := <-s.queue:
			s.process(&j)
			s.finished()
		case <-s.stop:
			return
		}
	}
}

// process decides one request within its budget and sends the answer.
func (s *Service) process(j *job) {
	waited := s.cfg.Now().Sub(j.arrival)
	s.cfg.Metrics.QueueAge(waited)
	if waited >= s.cfg.Budget {
		s.shed(j, CodeTooLate, "waited "+waited.Round(time.Millisecond).String()+" in the queue")
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Budget-waited)
	defer cancel()
	r := s.guarded(ctx, j)
	if r.answer != nil {
		if err := j.req.Respond(r.answer); err != nil {
			r.decision.set(Unavailable, CodeReply, err.Error())
		}
	}
	s.record(&r, j.arrival, waited)
}

// guarded handles a request and turns a panic, from wherever, into "cannot
// decide": one bad request must not end the service for all others.
func (s *Service) guarded(ctx context.Context, j *job) (r result) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.LogAttrs(ctx, slog.LevelError, "panic while handling a request",
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			r = result{id: s.cfg.NewID()}
			r.decision.set(Unavailable, CodeInternal, "panic")
		}
	}()
	select {
	case <-j.conn.placed: // at the start, requests can come before it is known where we are
	case <-ctx.Done():
	}
	if err := j.conn.misplaced.Load(); err != nil {
		r = result{id: s.cfg.NewID()}
		r.decision.set(Unavailable, CodeMisplaced, (*err).Error())
		return r
	}
	if j.req.Reply() == "" {
		r = result{id: s.cfg.NewID()}
		r.decision.set(Malformed, CodeNoReply, "no reply subject")
		return r
	}
	return s.handle(ctx, message{
		data:       j.req.Data(),
		header:     j.req.Headers().Get(xkeyHeader),
		maxPayload: j.conn.nc.MaxPayload(),
	})
}

// shed drops a request without looking into it. The client is gone, or will
// come back; an answer would only cost the server time.
func (s *Service) shed(j *job, code, cause string) {
	r := result{id: s.cfg.NewID()}
	r.decision.set(Shed, code, cause)
	s.cfg.Metrics.Request(code)
	e := r.event(j.arrival)
	s.cfg.Audit.TryWrite(e)
	s.log.decision(&e)
}

func (s *Service) observe(r *result, queued, total time.Duration) {
	m := s.cfg.Metrics
	m.Step(metrics.StepQueue, queued)
	m.Step(metrics.StepOpen, r.open)
	if r.decision.Verifier != "" {
		m.Step(metrics.StepVerify, r.decision.Verify)
		m.Step(metrics.StepDerive, r.decision.Derive)
		m.Step(metrics.StepIssue, r.issue)
	}
	m.Step(metrics.StepTotal, total)
}
