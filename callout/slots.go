package callout

import (
	"errors"
	"fmt"
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

// errVerifierBusy: as many requests as allowed wait for this verifier.
var errVerifierBusy = errors.New("requests are waiting for this verifier")

// gate is the tokens.Gate of one request. A request that waits for a slow verifier
// holds a slot of that verifier and no other, so that nobody waits behind it but for
// the same verifier.
type gate struct {
	service  *Service
	exchange *exchange
}

// Enter implements tokens.Gate.
func (g *gate) Enter(verifier string) error {
	waiting := g.service.waiting[verifier]
	select {
	case waiting <- struct{}{}:
		g.service.pause(g.exchange)
		return nil
	default:
		return fmt.Errorf("%s: %d %w", verifier, cap(waiting), errVerifierBusy)
	}
}

// Leave implements tokens.Gate.
func (g *gate) Leave(verifier string) {
	g.service.resume(g.exchange) // first, so that there are never more requests than workers
	<-g.service.waiting[verifier]
}
