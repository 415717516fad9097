package callout

import "context"

// Handle goes the way of one request without NATS and without a queue, for
// benchmarks: the answer, or nil, and the code.
func (s *Service) Handle(ctx context.Context, data []byte, header string) (answer []byte, code string) {
	j := &job{message: message{data: data, header: header, maxPayload: 1 << 20}, conn: s.conns[0], arrival: s.cfg.Now()}
	j.id = s.cfg.NewID()
	if s.open(j) {
		if _, ok := s.admit(j); ok {
			s.judge(ctx, j)
		}
	}
	return j.answer, j.decision.Code
}

// Usual reports whether a request in the clear is read in one pass.
func Usual(token []byte) bool {
	_, ok := parseUsual(token)
	return ok
}
