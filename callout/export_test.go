package callout

import "context"

// Handle handles one request without NATS and without the queue, for benchmarks. It
// returns the answer, nil if there is none, and the code.
func (s *Service) Handle(ctx context.Context, data []byte, header string) (answer []byte, code string) {
	j := &job{message: message{data: data, header: header, maxPayload: 1 << 20}, conn: s.conns[0], arrival: s.cfg.Now()}
	j.id = s.cfg.NewID()
	if s.open(j) {
		if _, ok := s.admit(j); ok {
			s.decide(ctx, j)
		}
	}
	return j.answer, j.decision.Code
}

// ParsesFast reports whether a request that is not sealed takes the fast path.
func ParsesFast(token []byte) bool {
	_, ok := parseFast(token)
	return ok
}
