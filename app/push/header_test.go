package push_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apipush "usher/api/push"
	"usher/app/push"
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
