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

// job is one request in progress, and its result.
type job struct {
	message
	result

	micro         micro.Request
	conn          *conn // on which it was received
	arrival       time.Time
	queued        time.Duration
	attempt       admission.Attempt
	connected     time.Time // by when its client had connected to the server
	authenticated bool      // it is known to come from the server it names
	holdsSlot     bool      // of the congestion window of its connection
}

// enqueue puts a request into the queue. It runs on the goroutine of the
// subscription and never waits: if the queue is full, the request is shed.
func (s *Service) enqueue(req micro.Request, c *conn) {
	j := &job{micro: req, conn: c, arrival: s.cfg.Now()}
	s.pending.Add(1)
	c.pending.Add(1)
	s.cfg.Metrics.Admitted()
	if !c.queue.Add(j) {
		s.shed(j, CodeQueueFull, "the queue is full")
		s.finished(j.conn)
	}
}

func (s *Service) finished(c *conn) {
	s.cfg.Metrics.Finished()
	c.pending.Add(-1)
	s.pending.Add(-1)
}

// work is one worker of a connection. It processes requests until the service
// stops. It acquires a slot of the congestion window before each.
func (s *Service) work(c *conn) {
	for c.window.Acquire() {
		j, ok := s.next(c)
		if !ok {
			return
		}
		s.process(j)
	}
}

// next returns the next admitted request. It finishes the requests that are
// refused or shed before that.
func (s *Service) next(c *conn) (*job, bool) {
	item, ok := c.take()
	for ok {
		j := item.Value
		switch item.State {
		case admission.Unclassified:
			if source, admitted := s.peek(j); admitted {
				item = c.queue.Classify(source, j, j.arrival, j.connected)
				continue
			}
		case admission.Admitted:
			s.stopQueueTime(j)
			return j, true
		case admission.Expired:
			s.stopQueueTime(j)
			s.shed(j, CodeTooLate, "waited "+j.queued.Round(time.Millisecond).String()+" in the queue")
		case admission.Evicted:
			s.stopQueueTime(j)
			s.shed(j, CodeQueueFull, "the queue is full, and this host has the most requests in it")
		}
		s.finished(j.conn)
		item, ok = c.take()
	}
	return nil, false
}

func (c *conn) take() (admission.Item[*job], bool) {
	c.idle.Add(1)
	defer c.idle.Add(-1)
	return c.queue.Take()
}

func (s *Service) stopQueueTime(j *job) { j.queued = s.cfg.Now().Sub(j.arrival) }

// peek opens a request, which costs little, and returns its source. It reports
// whether the request is admitted to the queue; it records one that is not.
func (s *Service) peek(j *job) (source string, admitted bool) {
	s.recovered(j, func() {
		j.id = s.cfg.NewID()
		j.message = message{data: j.micro.Data(), header: j.micro.Headers().Get(xkeyHeader), maxPayload: j.conn.nc.MaxPayload()}
		if s.inCalloutAccount(j) && hasReply(j) && s.open(j) {
			source, admitted = s.admit(j)
		}
	})
	if !admitted {
		s.record(j)
	}
	return source, admitted
}

// inCalloutAccount reports whether the request was received in the callout
// account. A request can arrive before that is known.
func (s *Service) inCalloutAccount(j *job) bool {
	select {
	case <-j.conn.accountKnown:
	case <-s.ctx.Done():
	}
	if err := j.conn.accountError.Load(); err != nil {
		j.decision.set(Unavailable, CodeMisplaced, (*err).Error())
		return false
	}
	return true
}

func hasReply(j *job) bool {
	if j.micro.Reply() == "" {
		j.decision.set(Malformed, CodeNoReply, "no reply subject")
		return false
	}
	return true
}

// admit returns the source of a request, and whether the request may wait in the
// queue.
func (s *Service) admit(j *job) (source string, ok bool) {
	c := j.request.claims
	source = admission.HostSource(c.ClientInformation.Host)
	credential := CredentialOf(c)
	j.attempt = s.failures.Attempt(source, credential.Token())
	if s.failures.CredentialExhausted(j.attempt) && !s.wouldGrant(s.ctx, j) {
		j.decision.set(Shed, CodeFailing, "this credential fails too often")
		return source, false
	}
	return source, s.estimateConnectTime(j)
}

// sampleThreshold is how many requests wait on a connection before requests are
// verified to sample connect times.
const sampleThreshold = 32

// estimateConnectTime estimates when the client of a request connected. Only
// verified requests give samples. When many requests wait, most may never be
// verified, so one is verified now and then for the sample alone. It reports
// whether the request is still admitted.
func (s *Service) estimateConnectTime(j *job) bool {
	c := j.request.claims
	server, client := c.Server.ID, c.ClientInformation.ID
	if j.conn.queue.Len() >= sampleThreshold && !s.failures.HostExhausted(j.attempt) &&
		s.connectTimes.NeedsSample(server, client, j.arrival) && !s.authenticateServer(j) {
		return false
	}
	j.connected = s.connectTimes.ConnectedBy(server, client, j.arrival)
	return true
}

// process decides one request within its budget and sends the answer.
func (s *Service) process(j *job) {
	j.holdsSlot = true
	s.cfg.Metrics.DecisionStarted()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Budget-j.queued)
	var rest tokens.Chain
	s.recovered(j, func() { rest = s.decide(ctx, j) })
	if len(rest) > 0 {
		j.conn.window.Release() // other requests use it while this one waits
		j.holdsSlot = false
	}
	s.nextStage(ctx, cancel, j, rest)
}

// nextStage finishes a request if rest is empty. Otherwise it starts a goroutine
// that asks the first verifier of rest, which can be slow. Each slow verifier has
// slots of its own, so that requests do not wait for another verifier.
func (s *Service) nextStage(ctx context.Context, cancel context.CancelFunc, j *job, rest tokens.Chain) {
	if len(rest) == 0 {
		s.finish(j)
		cancel()
		return
	}
	slots := s.slots[rest[0].Name()]
	select {
	case slots <- struct{}{}:
	default:
		j.decision.set(Shed, CodeVerifierBusy, rest[0].Name()+": "+fmt.Sprint(cap(slots))+" requests are waiting for this verifier")
		s.nextStage(ctx, cancel, j, nil)
		return
	}
	s.waiters.Go(func() {
		var next tokens.Chain
		s.recovered(j, func() { next = s.decideSlow(ctx, j, rest) })
		<-slots
		s.nextStage(ctx, cancel, j, next)
	})
}

// finish sends the answer of a request, if it has one, and records the result.
func (s *Service) finish(j *job) {
	s.respond(j)
	if j.authenticated && countsAsFailure(&j.decision) {
		s.failures.Record(j.attempt)
	}
	s.record(j)
	s.cfg.Metrics.DecisionEnded()
	s.finished(j.conn)
}

// respond sends the answer of a request. If it has none, or cannot be sent, the
// slot is released.
func (s *Service) respond(j *job) {
	w := j.conn.window
	if j.answer != nil {
		err := j.micro.Respond(j.answer)
		if err == nil {
			if !j.holdsSlot {
				w.ForceAcquire()
			}
			w.Sent()
			return
		}
		j.decision.set(Unavailable, CodeReply, err.Error())
	}
	if j.holdsSlot {
		w.Release()
	}
}

// recovered runs one step of a request. It turns a panic into "cannot decide", so
// that one request cannot stop the service.
func (s *Service) recovered(j *job, step func()) {
	defer func() {
		if p := recover(); p != nil {
			s.log.panicked(p, debug.Stack(), j.filter())
			j.result = result{id: s.cfg.NewID()}
			j.decision.set(Unavailable, CodeInternal, "panic")
		}
	}()
	step()
}

// shed drops a request without processing it. Its client has given up or will
// retry, so an answer would only cost the server time.
func (s *Service) shed(j *job, code, cause string) {
	if j.id == "" {
		j.id = s.cfg.NewID()
	}
	j.decision.set(Shed, code, cause)
	s.record(j)
}
