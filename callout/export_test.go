package callout

import "context"

// Handle goes the way of one request without NATS, for benchmarks: the answer,
// or nil, and the code.
func (s *Service) Handle(ctx context.Context, data []byte, header string) (answer []byte, code string) {
	r := s.handle(ctx, message{data: data, header: header, maxPayload: 1 << 20})
	return r.answer, r.decision.Code
}
