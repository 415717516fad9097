package admission

import "time"

// lagMemory is over how many requests the usual lag is averaged.
const lagMemory = 64

// timing is what one decision knows of time.
type timing struct {
	now      time.Time
	done     time.Time     // when an answer that is sent now has been processed
	limit    time.Duration // age at which an answer is too late
	pressure time.Duration // from arrival to done, from which on lag counts
	lag      time.Duration // that counts at most
}

// time returns the timing of a decision that is made now.
//
// An answer waits for half of the longest delay on average. If all requests were shed
// because of the delay, nothing would measure when it is over, so no more than half of
// the patience counts.
func (q *Queue[T]) time() timing {
	now := q.cfg.Now()
	t := timing{now: now, done: now, limit: MaxAge(q.cfg.Patience), pressure: q.cfg.Patience / 40, lag: 2 * q.lag}
	if q.cfg.Delay != nil {
		t.done = now.Add(min(q.cfg.Delay()/2, q.cfg.Patience/2))
	}
	return t
}

// MaxAge returns the age at which an answer is too late for a client with this
// patience. It is a tenth more, because the two mistakes do not cost the same: a
// client that is shed although it would have waited connects again, which costs more
// than an answer that comes too late.
func MaxAge(patience time.Duration) time.Duration { return patience + patience/10 }

// late reports whether a client that waits since then will have given up.
func (t *timing) late(since time.Time) bool { return t.done.Sub(since) >= t.limit }

// since returns since when the client of a request waits. A request lags behind its
// client's connect for two reasons that look the same: its server is busy, and its
// client was slow to send the credential. The second kind is patient after that. So
// the lag counts only if requests wait or answers are delayed, and no more of it than
// twice that of the usual request: a busy server delays all.
func (t *timing) since(arrival time.Time, lag time.Duration) time.Time {
	if t.done.Sub(arrival) < t.pressure {
		return arrival
	}
	return arrival.Add(-min(lag, t.lag))
}

// overloaded reports whether the newest request of s would be too late if all that
// wait were served, the oldest first.
func (q *Queue[T]) overloaded(s *source[T], t *timing) bool {
	newest := s.waiting.Back()
	return t.late(t.since(newest.arrival, newest.lag).Add(-q.rate.duration(q.before(s), t.now)))
}

// before returns how many requests are served before the newest of s, at most.
// Sources are served round robin: no other gets more turns than s needs.
func (q *Queue[T]) before(s *source[T]) int {
	return min(q.opened, s.waiting.Len()*len(q.sources))
}
