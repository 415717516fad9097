package callout

import (
	"context"
	"fmt"
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

	micro    micro.Request
	conn     *conn // that it came by
	arrival  time.Time
	waited   time.Duration
	attempt  admission.Attempt
	since    time.Time // when its client had come, at the latest
	verified bool
	room     bool // it holds a place in the window of its connection
}

// enqueue takes a request off the subscription's goroutine. It never waits: a
// request that finds too many waiting is shed.
func (s *Service) enqueue(req micro.Request, c *conn) {
	j := &job{micro: req, conn: c, arrival: s.cfg.Now()}
	s.pending.Add(1)
	c.pending.Add(1)
	s.cfg.Metrics.Admitted()
	if !c.queue.Add(j) {
		s.shed(j, CodeQueueFull, "more requests are waiting than the queue takes")
		s.finished(j.conn)
	}
}

func (s *Service) finished(c *conn) {
	s.cfg.Metrics.Finished()
	c.pending.Add(-1)
	s.pending.Add(-1)
}

// work is one worker of a connection: it has turns until the service has stopped.
// It takes none before there is room for an answer.
func (s *Service) work(c *conn) {
	for c.window.Acquire() {
		j, ok := s.next(c)
		if !ok {
			return
		}
		s.process(j)
	}
}

// next returns the next request to decide. Those that are not wanted, or have to
// be shed, it ends itself.
func (s *Service) next(c *conn) (*job, bool) {
	turn, ok := c.take()
	for ok {
		j := turn.Value
		switch turn.State {
		case admission.Unclassified:
			if source, wanted := s.look(j); wanted {
				turn = c.queue.Classify(source, j, j.arrival, j.since)
				continue
			}
		case admission.Admitted:
			s.age(j)
			return j, true
		case admission.Expired:
			s.age(j)
			s.shed(j, CodeTooLate, "waited "+j.waited.Round(time.Millisecond).String()+" in the queue")
		case admission.Evicted:
			s.age(j)
			s.shed(j, CodeQueueFull, "more requests are waiting than the queue takes, most of them from this host")
		}
		s.finished(j.conn)
		turn, ok = c.take()
	}
	return nil, false
}

func (c *conn) take() (admission.Item[*job], bool) {
	c.idle.Add(1)
	defer c.idle.Add(-1)
	return c.queue.Take()
}

func (s *Service) age(j *job) { j.waited = s.cfg.Now().Sub(j.arrival) }

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
	if s.failures.CredentialExhausted(j.attempt) && !s.promising(s.ctx, j) {
		j.decision.set(Shed, CodeFailing, "this credential fails too often")
		return source, false
	}
	return source, s.number(j)
}

// crowded is how many wait on a connection when it begins to matter who of them
// has come when.
const crowded = 32

// number finds out when the client of a request has come. Numbers are learnt from
// verified requests; when many wait, most of which may never be verified, one is
// verified now and then for that alone. It reports whether the request is wanted
// still.
func (s *Service) number(j *job) bool {
	c := j.request.claims
	server, client := c.Server.ID, c.ClientInformation.ID
	if j.conn.queue.Len() >= crowded && !s.failures.HostExhausted(j.attempt) && s.ages.NeedsSample(server, client, j.arrival) && !s.verify(j) {
		return false
	}
	j.since = s.ages.ConnectedBy(server, client, j.arrival)
	return true
}

// process decides one request within its budget and sends the answer.
func (s *Service) process(j *job) {
	j.room = true
	s.cfg.Metrics.DecisionStarted()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Budget-j.waited)
	var rest tokens.Chain
	s.guarded(j, func() { rest = s.judge(ctx, j) })
	if len(rest) > 0 {
		j.conn.window.Release() // others go on meanwhile
		j.room = false
	}
	s.proceed(ctx, cancel, j, rest)
}

// proceed ends a request, or waits with it for the first of rest, which can be
// slow: apart from the workers, in one of that verifier's places. Nobody waits
// for one verifier in the place of another.
func (s *Service) proceed(ctx context.Context, cancel context.CancelFunc, j *job, rest tokens.Chain) {
	if len(rest) == 0 {
		s.end(j)
		cancel()
		return
	}
	places := s.places[rest[0].Name()]
	select {
	case places <- struct{}{}:
	default:
		j.decision.set(Shed, CodeVerifierBusy, rest[0].Name()+": "+fmt.Sprint(cap(places))+" requests are waiting for it")
		s.proceed(ctx, cancel, j, nil)
		return
	}
	s.waiters.Go(func() {
		var left tokens.Chain
		s.guarded(j, func() { left = s.judgeSlow(ctx, j, rest) })
		<-places
		s.proceed(ctx, cancel, j, left)
	})
}

// end sends the answer of a request, if there is one, and writes down what
// became of it.
func (s *Service) end(j *job) {
	s.respond(j)
	if j.verified && charged(&j.decision) {
		s.failures.Record(j.attempt)
	}
	s.record(j)
	s.cfg.Metrics.DecisionEnded()
	s.finished(j.conn)
}

// respond sends the answer, if there is one, and gives back the room if there
// is none.
func (s *Service) respond(j *job) {
	w := j.conn.window
	if j.answer != nil {
		err := j.micro.Respond(j.answer)
		if err == nil {
			if !j.room {
				w.ForceAcquire()
			}
			w.Sent()
			return
		}
		j.decision.set(Unavailable, CodeReply, err.Error())
	}
	if j.room {
		w.Release()
	}
}

// guarded does one step of a request and turns a panic, from wherever, into
// "cannot decide": one bad request must not end the service for all others.
func (s *Service) guarded(j *job, step func()) {
	defer func() {
		if p := recover(); p != nil {
			s.log.panicked(p, debug.Stack(), j.filter())
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
