package callout

import "context"

// Handle decides one request without NATS and without the queue, for benchmarks. It
// returns the answer, nil if there is none, and the code.
func (s *Service) Handle(ctx context.Context, data []byte, header string) (answer []byte, code string) {
	x := &exchange{conn: s.conns[0], arrival: s.cfg.Now(), id: s.cfg.NewID()}
	opened := s.runStep(ctx, x, stepOpen, func(context.Context, *exchange) bool { return s.openData(x, data, header, 1<<20) })
	if opened && s.withinCredentialLimit(x) && s.withinHostLimit(x) {
		s.decide(ctx, x)
	}
	return x.answer, x.decision.Code
}

// ParsesFast reports whether a request that is not sealed takes the fast path.
func ParsesFast(token []byte) bool {
	r, err := parse(token)
	return err == nil && r.signed != nil
}

// CountsAsFailure reports whether a decision counts as a failure.
func CountsAsFailure(d *Decision) bool { return countsAsFailure(d) }
