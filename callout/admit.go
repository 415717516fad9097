package callout

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/micro"

	"usher/callout/admission"
	"usher/callout/claims"
	"usher/callout/ratelimit"
)

// receive puts a request into the queue. It runs on the goroutine of the subscription
// and never waits: if the queue is full, the request is shed.
func (s *Service) receive(m micro.Request, c *conn) {
	x := &exchange{message: m, conn: c, arrival: s.cfg.Now()}
	x.steps[stepReceive] = interval{x.arrival, x.arrival}
	s.pending.Add(1)
	c.pending.Add(1)
	s.cfg.Metrics.Admitted()
	x.size = int64(len(m.Data()))
	if s.pendingBytes.Add(x.size) > s.cfg.maxBytes() || !c.queue.Add(x, x.arrival) {
		s.shed(x, CodeQueueFull, "the queue is full")
	}
}

// admit waits until a request is waiting and may be decided: the server takes another
// answer on this connection, and a CPU slot is free. It returns the request that is
// next then, and finishes those that are refused or shed before it. It returns false
// when the service stops.
func (s *Service) admit(c *conn) (*exchange, bool) {
	c.turn.Lock() // one worker waits, the others wait for their turn
	defer c.turn.Unlock()
	for {
		if !c.queue.Wait() || !c.window.Acquire() {
			return nil, false
		}
		if !s.acquireCPU() {
			c.window.Release()
			return nil, false
		}
		if x, ok := s.next(c); ok {
			x.holding = slots{window: true, cpu: true}
			return x, true
		}
		s.releaseCPU()
		c.window.Release()
	}
}

// next returns the next request of the queue that may be decided; false: none waits.
func (s *Service) next(c *conn) (*exchange, bool) {
	for {
		item, ok := c.queue.Next()
		if !ok {
			return nil, false
		}
		x := item.Value
		x.steps[stepAdmit] = interval{x.arrival, s.cfg.Now()}
		switch item.State {
		case admission.Expired:
			s.shed(x, CodeTooLate, "waited "+x.took(stepAdmit).Round(time.Millisecond).String()+" in the queue")
		case admission.Evicted:
			s.shed(x, CodeQueueFull, "the queue is full, and this host has the most requests in it")
		case admission.Refused: // findSource has set the outcome
			s.finishUndecided(x)
		case admission.Admitted:
			if s.catchPanic(x, func() bool { return s.withinHostLimit(x) }) {
				return x, true
			}
			s.finishUndecided(x)
		}
	}
}

// findSource opens a request for the queue, which costs little, and returns its source.
// It returns false for a request that is refused: one that cannot be read, or whose
// credential fails too often.
func (s *Service) findSource(x *exchange) (source admission.Source, ok bool) {
	ok = s.runStep(s.ctx, x, stepOpen, s.open) &&
		s.catchPanic(x, func() bool { return s.withinCredentialLimit(x) }) && s.sampleConnectTime(x)
	if ok {
		client := &x.request.claims.ClientInformation
		source.Name = x.source
		source.Connected = x.arrival
		if x.again.session == nil { // otherwise it connected long ago, and the server waits
			source.Connected = s.connectTimes.ConnectedBy(x.request.claims.Server.ID, client.ID, x.arrival)
		}
	}
	return source, ok
}

// open unseals and parses a request. It verifies nothing.
func (s *Service) open(_ context.Context, x *exchange) bool {
	x.id = s.cfg.NewID()
	if err := x.conn.accountError.Load(); err != nil {
		return x.end(Unavailable, CodeMisplaced, (*err).Error())
	}
	if x.message.Reply() == "" {
		return x.end(Malformed, CodeNoReply, "no reply subject")
	}
	return s.openData(x, x.message.Data(), x.message.Headers().Get(xkeyHeader), x.conn.nc.MaxPayload())
}

// openData is open for a request that did not come over NATS too.
func (s *Service) openData(x *exchange, data []byte, header string, maxPayload int64) bool {
	x.header, x.maxPayload, x.keys = header, maxPayload, s.cfg.Keyring()
	var err error
	x.request, err = read(data, header, x.keys)
	if err == nil {
		err = x.request.checkTimes(x.steps[stepOpen].start, s.cfg.Leeway)
	}
	if err != nil {
		return x.endWith(err)
	}
	x.credential = claims.Credential(x.request.claims)
	x.credential.RequestID = x.id
	x.source = ratelimit.HostSource(x.credential.Host)
	x.attempt = s.failures.Attempt(x.source, x.credential.FailureKey())
	s.findAgain(x)
	return true
}

// sampleThreshold is how many requests wait on a connection before requests are
// authenticated to sample connect times.
const sampleThreshold = 32

// sampleConnectTime authenticates a request for its connect time alone, now and then
// while many requests wait: most of them may never be authenticated otherwise, and only
// authenticated ones give samples. It returns false for a request that is refused.
func (s *Service) sampleConnectTime(x *exchange) bool {
	c := x.request.claims
	return x.conn.queue.Len() < sampleThreshold || s.failures.HostExhausted(x.attempt) ||
		!s.connectTimes.NeedsSample(c.Server.ID, c.ClientInformation.ID, x.arrival) ||
		s.runStep(s.ctx, x, stepAuthenticate, s.authenticate)
}

// shed drops a request without deciding it. Its client has given up or will retry, so
// an answer would only cost the server time.
func (s *Service) shed(x *exchange, code, cause string) {
	if x.id == "" {
		x.id = s.cfg.NewID()
	}
	x.end(Shed, code, cause)
	s.finishUndecided(x)
}

// finishUndecided finishes a request that leaves the queue without being decided.
func (s *Service) finishUndecided(x *exchange) {
	s.record(x)
	s.finished(x)
}

// finished counts a request that has been recorded.
func (s *Service) finished(x *exchange) {
	s.cfg.Metrics.Finished()
	s.pendingBytes.Add(-x.size)
	x.conn.pending.Add(-1)
	s.pending.Add(-1)
}
