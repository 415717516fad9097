package push

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

// Projects whose endpoints hang do not hold all slots of retries: one that has none gets some at
// once, whether the others came one after the other or all at the same moment.
func TestRetriesOfHangingProjects(t *testing.T) {
	t.Parallel()
	const total = 256
	for _, hostile := range []int{1, 2, 3, 5, 20} {
		for _, together := range []bool{false, true} {
			if !together && hostile > 5 {
				continue // each takes half of what is left: seven have all
			}
			t.Run(fmt.Sprintf("projects=%d,together=%t", hostile, together), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer synctest.Wait()
					defer cancel()
					s := newSlots(total)
					if together {
						// They wait while others hold all slots, and get them at the same moment.
						s.retrying = total / 2
					}
					for i := range hostile {
						for n := range total {
							go func() { _ = s.Acquire(ctx, fmt.Sprint("hostile", i), fmt.Sprint("host", n), true) }()
						}
						synctest.Wait()
					}
					if together {
						s.mu.Lock()
						s.retrying = 0
						s.grant()
						s.mu.Unlock()
					}
					synctest.Wait()
					got := 0
					for n := range total {
						go func() {
							if s.Acquire(ctx, "victim", fmt.Sprint("host", n), true) == nil {
								s.mu.Lock()
								defer s.mu.Unlock()
								got++
							}
						}()
					}
					synctest.Wait()
					s.mu.Lock()
					defer s.mu.Unlock()
					t.Logf("the victim has %d of %d slots of retries", got, s.retrying)
					if got == 0 {
						t.Errorf("a project without retries has to wait: others hold all %d slots", s.retrying)
					}
					if s.retrying > total/2 {
						t.Errorf("%d slots are of retries, more than half of %d", s.retrying, total)
					}
				})
			})
		}
	}
}
