package push

import (
	"context"
	"time"
)

// newAgain is how often the new value of a header is tried first while the endpoint takes only
// the previous one.
const newAgain = time.Minute

// header chooses the value of the Authorization header. While a rotation is young the endpoint
// may know only one of two.
type header struct {
	previous bool      // is tried first
	until    time.Time // then the new one is again
}

// values returns the values to try, the likely one first. An error is that of the new value:
// without the previous one a push is still possible.
func (h *header) values(ctx context.Context, sub *Subscription, now time.Time) ([]string, error) {
	if !sub.sendsHeader() {
		return []string{""}, nil
	}
	value, err := sub.Authorization(ctx)
	if err != nil {
		return nil, err
	}
	a := sub.Push.Authorization
	if sub.Previous == nil || a == nil || len(a.Previous) == 0 || !now.Before(a.PreviousUntil) {
		return []string{value}, nil
	}
	previous, err := sub.Previous(ctx)
	if err != nil || previous == "" {
		return []string{value}, nil //nolint:nilerr // the endpoint may know the new one
	}
	if h.previous && now.Before(h.until) {
		return []string{previous, value}, nil
	}
	h.previous = false
	return []string{value, previous}, nil
}

// other notes that the endpoint took the value that was tried second.
func (h *header) other(now time.Time) {
	h.previous, h.until = !h.previous, now.Add(newAgain)
}

func (s *Subscription) sendsHeader() bool {
	return s.Authorization != nil && s.Push.Type != TypeMattermost
}
