package push

import (
	"time"

	"usher/directory"
)

// The retry policies of the Argo Messaging Service.
const (
	RetryLinear    = "linear"
	RetrySlowstart = "slowstart"
)

// Bounds of retry policies.
const (
	LinearPeriod     = 3 * time.Second // if none is stated
	SlowstartInitial = time.Second
	SlowstartLeast   = 300 * time.Millisecond
	SlowstartMost    = 24 * time.Hour

	// LinearLeast is the least time after a failure, for each failure in a row up to
	// LinearGrows: 100 ms, 200 ms, and so on up to 1 s. Owners of subscriptions choose the period.
	LinearLeast = 100 * time.Millisecond
	LinearGrows = 10
)

// policy says how long to wait between pushes of a subscription.
type policy interface {
	// Delay returns the time between the end of the last push, or the start, and the next.
	Delay() time.Duration
	// Ended takes the result of a push.
	Ended(ok bool)
}

func newPolicy(p *directory.Push) policy {
	if p.RetryType == RetrySlowstart {
		return &slowstart{interval: SlowstartInitial}
	}
	period := time.Duration(p.RetryPeriod) * time.Millisecond
	if period <= 0 {
		period = LinearPeriod
	}
	return &linear{period: period}
}

// linear tries again after a period. After a success the next message follows at once.
type linear struct {
	period   time.Duration
	failures int // in a row
}

func (l *linear) Delay() time.Duration {
	if l.failures == 0 {
		return 0
	}
	return max(l.period, time.Duration(min(l.failures, LinearGrows))*LinearLeast)
}

func (l *linear) Ended(ok bool) {
	l.failures++
	if ok {
		l.failures = 0
	}
}

// slowstart waits between all pushes. Each success halves the interval, each failure doubles
// it. After a success it is not longer than at the start: AMS begins anew then.
type slowstart struct{ interval time.Duration }

func (s *slowstart) Delay() time.Duration { return s.interval }

func (s *slowstart) Ended(ok bool) {
	if ok {
		s.interval = max(SlowstartLeast, min(s.interval/2, SlowstartInitial))
		return
	}
	s.interval = min(2*s.interval, SlowstartMost)
}
