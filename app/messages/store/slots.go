package store

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"usher/api/messages"
)

// slots bounds what is on its way for a topic of publishers or for a subscription, each by
// itself: who makes JetStream slow to answer keeps nobody else waiting. It is safe for
// concurrent use.
type slots struct {
	size int64

	mu   sync.Mutex
	used map[string]*slot
}

type slot struct {
	free  *semaphore.Weighted
	users int // that hold or wait
}

func newSlots(size int) *slots { return &slots{size: int64(size), used: map[string]*slot{}} }

func topicSlots(t messages.TopicRef) string {
	return "topic " + t.Project.ID.String() + "/" + t.Topic.Name
}

func subscriptionSlots(s messages.SubscriptionRef) string {
	return "subscription " + s.Project.ID.String() + "/" + s.Subscription.Name
}

// acquire waits for n slots of a name, until ctx ends.
func (s *slots) acquire(ctx context.Context, name string, n int) (release func(), err error) {
	s.mu.Lock()
	x := s.used[name]
	if x == nil {
		x = &slot{free: semaphore.NewWeighted(s.size)}
		s.used[name] = x
	}
	x.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if x.users--; x.users == 0 {
			delete(s.used, name)
		}
	}
	if err := x.free.Acquire(ctx, int64(n)); err != nil {
		leave()
		return nil, err
	}
	return func() {
		x.free.Release(int64(n))
		leave()
	}, nil
}
