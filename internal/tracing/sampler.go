package tracing

import (
	"math"
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
	slow     atomic.Int64  // Policy.Slow
	share    atomic.Uint64 // the bits of Policy.Share
	now      func() time.Time
	random   func() float64
	notable  *rate.Limiter // not granted, or slow
	ordinary *rate.Limiter // so that a storm does not end the traces of granted requests
	dropped  atomic.Uint64
}

func (s *sampler) init(p *Policy) {
	limiter := func() *rate.Limiter { return rate.NewLimiter(maxPerSecond, maxPerSecond) }
	s.now, s.random, s.notable, s.ordinary = p.Now, p.Random, limiter(), limiter()
	s.choose(p.Slow, p.Share)
}

func (s *sampler) choose(slow time.Duration, share float64) {
	s.slow.Store(int64(slow))
	s.share.Store(math.Float64bits(share))
}

func (s *sampler) sampled(granted bool, total time.Duration) bool {
	limit := s.ordinary
	switch {
	case !granted, s.isSlow(total):
		limit = s.notable
	case s.random() >= math.Float64frombits(s.share.Load()):
		return false
	}
	if !limit.AllowN(s.now(), 1) {
		s.dropped.Add(1)
		return false
	}
	return true
}

func (s *sampler) isSlow(total time.Duration) bool {
	slow := time.Duration(s.slow.Load())
	return slow > 0 && total >= slow
}
