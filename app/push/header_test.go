package push_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apipush "usher/api/push"
	"usher/app/push"
	"usher/directory"
)

// TestUnknownHeader: nothing counts against a message while the header is not known.
func TestUnknownHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, e := newMemory(1), &endpoint{}
		w := newWorker(t, e, func(c *push.Config) { c.MaxDeliveries = 2 })
		defer stop(w)
		var known atomic.Bool
		s := subscription("s", source, nil)
		s.Authorization = func(context.Context) (string, error) {
			if !known.Load() {
				return "", errors.New("no key opens it")
			}
			return "0123", nil
		}
		w.Set([]push.Subscription{s})
		time.Sleep(time.Minute)
		synctest.Wait()
		st, _ := w.State("s")
		if st.Status != apipush.StatusBlocked || !strings.HasSuffix(st.LastError, "no key opens it") || st.Failures != 0 {
			t.Errorf("state is %+v", st)
		}
		source.read(func() {
			if len(source.buried) > 0 {
				t.Error("a message that was never tried is a dead letter")
			}
		})
		known.Store(true)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st, _ := w.State("s"); st.Status != apipush.StatusActive || st.LastError != "" || len(e.got()) != 1 {
			t.Errorf("state is %+v after %d pushes", st, len(e.got()))
		}
	})
}

// TestRotation: an endpoint that does not know a new header gets the previous one in the same
// attempt, until the grace ends.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, e := newMemory(2), &endpoint{}
		var seen []string
		knows := "previous"
		e.answer = func(r *http.Request, _ string) (int, error) {
			seen = append(seen, r.Header.Get("Authorization"))
			if r.Header.Get("Authorization") != knows {
				return http.StatusForbidden, nil
			}
			return http.StatusOK, nil
		}
		w := newWorker(t, e, func(c *push.Config) { c.MaxDeliveries = 1 })
		defer stop(w)
		s := subscription("s", source, func(p *directory.Push) {
			p.Authorization = &directory.PushAuthorization{Previous: []byte("sealed"), PreviousUntil: time.Now().Add(time.Hour)}
		})
		s.Authorization = func(context.Context) (string, error) { return "new", nil }
		s.Previous = func(context.Context) (string, error) { return "previous", nil }
		expect := func(messages int, headers ...string) {
			t.Helper()
			for i := range messages {
				source.add(message(i))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if !slices.Equal(seen, headers) {
				t.Errorf("headers %q, want %q", seen, headers)
			}
			seen = nil
		}
		w.Set([]push.Subscription{s})
		expect(0, "new", "previous", "previous")
		time.Sleep(time.Minute)
		expect(2, "new", "previous", "previous")
		knows = "new"
		expect(2, "previous", "new", "new")
		if st, _ := w.State("s"); st.Delivered != 6 || st.Failures != 0 || len(source.buried) > 0 {
			t.Errorf("state is %+v, buried %v", st, source.buried)
		}
		time.Sleep(time.Hour)
		knows = "previous"
		expect(1, "new")
		if len(source.buried) != 1 {
			t.Errorf("buried %v", source.buried)
		}
	})
}
