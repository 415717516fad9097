package callout

import (
	"fmt"

	"usher/callout/ratelimit"
)

// slots are what a request holds while it is decided. It takes both in admit.
type slots struct {
	cpu    bool // while it computes
	window bool // of the congestion window of its connection, until its answer has been processed
}

// acquireCPU waits for a CPU slot. It returns false when the service stops.
func (s *Service) acquireCPU() bool {
	select {
	case s.cpu <- struct{}{}:
		return true
	case <-s.stop:
		return false
	}
}

func (s *Service) releaseCPU() { <-s.cpu }

// pause gives the slots of a request back while it waits for another system. After a
// wait for another verifier it does not hold the slot of the window any more.
func (s *Service) pause(x *exchange) {
	if x.holding.cpu {
		s.releaseCPU()
	}
	if x.holding.window {
		x.conn.window.Release()
	}
	x.holding = slots{}
}

// resume takes the CPU slot again. The slot of the window is taken with the answer.
func (s *Service) resume(x *exchange) { x.holding.cpu = s.acquireCPU() }

// gate is the tokens.Gate of one request. A request that waits for a slow verifier
// holds a slot of that verifier and no other, so that nobody waits behind it but for
// the same verifier.
type gate struct {
	service  *Service
	exchange *exchange
}

// Enter implements tokens.Gate.
func (g *gate) Enter(verifier string) error {
	if err := g.service.waiting[verifier].Acquire(g.exchange.attempt); err != nil {
		return fmt.Errorf("%s: %w", verifier, err)
	}
	g.service.replaceWorker(g.exchange)
	g.service.pause(g.exchange)
	return nil
}

// Leave implements tokens.Gate.
func (g *gate) Leave(verifier string) {
	g.service.resume(g.exchange) // first, so that there are never more requests than workers
	g.service.waiting[verifier].Release(g.exchange.attempt)
}

// replaceWorker starts a worker in place of that of a request, which will wait. So the
// connection is served meanwhile, and a worker that has waited ends after its request.
func (s *Service) replaceWorker(x *exchange) {
	if !x.replaced {
		x.replaced = true
		s.workers.Go(func() { s.work(x.conn) }) // the worker that is replaced has not ended, so nobody has finished waiting
	}
}

// failuresAt returns the failures that count for decisions of a verifier: its own if it is
// slow. Only such a verifier sees them, and they must not affect credentials of others.
func (s *Service) failuresAt(verifier string) *ratelimit.Failures {
	if slots, ok := s.waiting[verifier]; ok {
		return slots.Failures()
	}
	return s.failures
}
