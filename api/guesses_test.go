package api_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Attack: a project_admin guesses user names with concurrent requests, beyond the limit
// Held by: looking a name up and counting the guess is one step, inside the change
func TestConcurrentGuesses(t *testing.T) {
	s := start(t, nil, withPolicy)
	for name, r := range map[string]struct {
		who, path, body string
		wanted          int
	}{
		"create": {"admin", "/v1/projects/shop/members/lab-con", `{"projects":[{"roles":["publisher"]}]}`, http.StatusConflict},
		"add":    {"lab-admin", "/v1/projects/lab/members/nobody:add", `{"roles":["publisher"]}`, http.StatusNotFound},
	} {
		var answered, refused atomic.Int64
		var wg sync.WaitGroup
		const requests = 100
		for range requests {
			wg.Go(func() {
				switch got := s.as(r.who, "POST", r.path, r.body); got.code {
				case r.wanted:
					answered.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					t.Errorf("%s: %d %s", name, got.code, got.text)
				}
			})
		}
		wg.Wait()
		if answered.Load() != 20 || answered.Load()+refused.Load() != requests {
			t.Errorf("%s: %d answered, %d refused", name, answered.Load(), refused.Load())
		}
	}
}
