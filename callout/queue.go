package callout

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go/micro"

	"usher/callout/admission"
	"usher/tokens"
)

// job is one request on its way, and what became of it.
type job struct {
	message
	result

	micro   micro.Request
	conn    *conn // that it came by
	arrival time.Time
	waited  time.Duration
	attempt admission.Attempt
}

// enqueue takes a request off the subscription's goroutine. It never waits: a
// request that finds too many waiting is shed.
func (s *Service) enqueue(req micro.Request, c *conn) {
	j := &job{micro: req, conn: c, arrival: s.cfg.Now()}
	s.pending.Add(1)
	s.cfg.Metrics.Taken()
	if !s.queue.Add(j) {
		s.shed(j, CodeQueueFull, "more requests are waiting than the queue takes")
		s.finished()
	}
}

func (s *Service) finished() {
	s.cfg.Metrics.Done()
	s.pending.Add(-1)
}

// work is one worker: it has turns until the service has stopped.
func (s *Service) work() {
	for {
		turn, ok := s.queue.Take()
		for ok && turn.State == admission.Fresh {
			j := turn.Value
			source, wanted := s.look(j)
			if !wanted {
				s.finished()
				break
			}
			turn = s.queue.Exchange(source, j, j.arrival)
		}
		switch {
		case !ok:
			return
		case turn.State != admission.Fresh:
			s.serve(turn)
		}
	}
}

func (s *Service) serve(turn admission.Turn[*job]) {
	j := turn.Value
	j.waited = s.cfg.Now().Sub(j.arrival)
	s.cfg.Metrics.QueueAge(j.waited)
	switch turn.State {
	case admission.Late:
		s.shed(j, CodeTooLate, "waited "+j.waited.Round(time.Millisecond).String()+" in the queue")
		s.finished()
	case admission.Full:
		s.shed(j, CodeQueueFull, "more requests are waiting than the queue takes, most of them from this host")
		s.finished()
	case admission.Next:
		s.process(j)
	case admission.Fresh: // is looked at, not served
	}
}

// look sees who asks, which costs little, and names the source. It reports
// whether the request is wanted; one that is not has been recorded.
func (s *Service) look(j *job) (source string, wanted bool) {
	s.guarded(j, func() {
		j.id = s.cfg.NewID()
		j.message = message{data: j.micro.Data(), header: j.micro.Headers().Get(xkeyHeader), maxPayload: j.conn.nc.MaxPayload()}
		if s.inPlace(j) && s.open(j) {
			source, wanted = s.admit(j)
		}
	})
	if !wanted {
		s.record(j)
	}
	return source, wanted
}

// inPlace reports whether requests may be answered where this one came from.
func (s *Service) inPlace(j *job) bool {
	select {
	case <-j.conn.placed: // at the start, requests can come before it is known where we are
	case <-s.ctx.Done():
	}
	if err := j.conn.misplaced.Load(); err != nil {
		j.decision.set(Unavailable, CodeMisplaced, (*err).Error())
		return false
	}
	if j.micro.Reply() == "" {
		j.decision.set(Malformed, CodeNoReply, "no reply subject")
		return false
	}
	return true
}

// admit says which source a request is of, and whether that source may try.
func (s *Service) admit(j *job) (source string, ok bool) {
	c := j.request.claims
	source = admission.HostSource(c.ClientInformation.Host)
	credential := CredentialOf(c)
	j.attempt = s.failures.Attempt(source, credential.Token())
	if s.failures.CredentialSpent(j.attempt) {
		j.decision.set(Shed, CodeFailing, "this credential fails too often")
		return source, false
	}
	return source, true
}

// process decides one request within its budget and sends the answer.
func (s *Service) process(j *job) {
	s.cfg.Metrics.Begin()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Budget-j.waited)
	var rest tokens.Chain
	s.guarded(j, func() { rest = s.judge(ctx, j) })
	if len(rest) > 0 {
		s.wait(ctx, cancel, j, rest)
		return
	}
	s.end(j)
	cancel()
}

// wait goes on with a request whose verifier can be slow, apart from the
// workers. So many wait for one verifier, and no more.
func (s *Service) wait(ctx context.Context, cancel context.CancelFunc, j *job, rest tokens.Chain) {
	places := s.places[rest[0].Name()]
	select {
	case places <- struct{}{}:
	default:
		cancel()
		j.decision.set(Shed, CodeVerifierBusy, rest[0].Name()+": "+fmt.Sprint(cap(places))+" requests are waiting for it")
		s.end(j)
		return
	}
	s.waiters.Go(func() {
		defer func() { <-places }()
		defer cancel()
		s.guarded(j, func() { s.judgeSlow(ctx, j, rest) })
		s.end(j)
	})
}

// end sends the answer of a request, if there is one, and writes down what
// became of it.
func (s *Service) end(j *job) {
	if j.answer != nil {
		if err := j.micro.Respond(j.answer); err != nil {
			j.decision.set(Unavailable, CodeReply, err.Error())
		}
	}
	if j.decision.Outcome == Denied {
		s.failures.Failed(j.attempt)
	}
	s.record(j)
	s.cfg.Metrics.End()
	s.finished()
}

// guarded does one step of a request and turns a panic, from wherever, into
// "cannot decide": one bad request must not end the service for all others.
func (s *Service) guarded(j *job, step func()) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.LogAttrs(s.ctx, slog.LevelError, "panic while handling a request",
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			j.result = result{id: s.cfg.NewID()}
			j.decision.set(Unavailable, CodeInternal, "panic")
		}
	}()
	step()
}

// shed drops a request without looking into it further. The client is gone, or
// will come back; an answer would only cost the server time.
func (s *Service) shed(j *job, code, cause string) {
	if j.id == "" {
		j.id = s.cfg.NewID()
	}
	j.decision.set(Shed, code, cause)
	s.record(j)
}
