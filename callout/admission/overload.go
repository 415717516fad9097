package admission

import "time"

// timing is what one decision knows of time.
type timing struct {
	now   time.Time
	done  time.Time     // when an answer that is admitted now has been processed
	limit time.Duration // age at which an answer is too late
}

// time returns the timing of a decision that is made now.
//
// The delay that counts is bounded by half of the patience: if all requests were
// shed because of it, nothing would measure when it is over.
func (q *Queue[T]) time() timing {
	now := q.cfg.Now()
	t := timing{now, now, MaxAge(q.cfg.Patience)}
	if q.cfg.Delay != nil {
		t.done = now.Add(min(q.cfg.Delay(), q.cfg.Patience/2))
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

// overloaded reports whether the newest request of s would be too late if all that
// wait were served, the oldest first.
func (q *Queue[T]) overloaded(s *source[T], t timing) bool {
	wait := q.rate.duration(q.before(s), t.now)
	return wait > 0 && t.late(s.waiting.Back().arrival.Add(-wait))
}

// before returns how many requests are served before the newest of s, at most.
// Sources are served round robin: no other gets more turns than s needs.
func (q *Queue[T]) before(s *source[T]) int {
	return min(q.opened, s.waiting.Len()*len(q.sources))
}
