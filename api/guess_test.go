package api_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Attack: a project_admin tries names of users by many requests at once, past the limit
// Held by: a name is looked up and counted in one step, where the change is made
func TestGuessingNamesAtOnce(t *testing.T) {
	s := start(t, nil, withPolicy)
	for name, r := range map[string]struct {
		who, path, body string
		told            int
	}{
		"made":  {"admin", "/v1/projects/shop/members/lab-con", `{"projects":[{"roles":["publisher"]}]}`, http.StatusConflict},
		"added": {"lab-admin", "/v1/projects/lab/members/nobody:add", `{"roles":["publisher"]}`, http.StatusNotFound},
	} {
		var told, refused atomic.Int64
		var asking sync.WaitGroup
		const requests = 100
		for range requests {
			asking.Go(func() {
				switch got := s.as(r.who, "POST", r.path, r.body); got.code {
				case r.told:
					told.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					t.Errorf("%s: %d %s", name, got.code, got.text)
				}
			})
		}
		asking.Wait()
		if told.Load() != 20 || told.Load()+refused.Load() != requests {
			t.Errorf("%s: %d were told, %d refused", name, told.Load(), refused.Load())
		}
	}
}
