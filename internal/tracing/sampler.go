package tracing

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// maxPerSecond is how many requests of a Tracer may be traced per second: as many that
// failed or were slow, and as many of the others. In a storm nearly every request is of the
// first kind, and none of them tells more than the first hundred.
const maxPerSecond = 100

// Policy says which requests are traced: all that are not granted, all that took Slow or
// longer, and a share of the others.
type Policy struct {
	Slow  time.Duration // 0: no request is slow
	Share float64       // from 0 to 1

	Now    func() time.Time
	Random func() float64 // from 0 to less than 1
}

type sampler struct {
	policy   Policy
	notable  *rate.Limiter // not granted, or slow
	ordinary *rate.Limiter // so that a storm does not end the traces of granted requests
	dropped  atomic.Uint64
}

func newSampler(p Policy) sampler { //nolint:gocritic // the sampler keeps the copy
	limiter := func() *rate.Limiter { return rate.NewLimiter(maxPerSecond, maxPerSecond) }
	return sampler{policy: p, notable: limiter(), ordinary: limiter()}
}

func (s *sampler) sampled(granted bool, total time.Duration) bool {
	limit := s.ordinary
	switch {
	case !granted, s.policy.Slow > 0 && total >= s.policy.Slow:
		limit = s.notable
	case s.policy.Random() >= s.policy.Share:
		return false
	}
	if !limit.AllowN(s.policy.Now(), 1) {
		s.dropped.Add(1)
		return false
	}
	return true
}
