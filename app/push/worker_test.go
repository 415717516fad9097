package push_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apipush "usher/api/push"
	"usher/app/push"
	"usher/directory"
)

// TestRetryPolicies: how long after the previous push the next one comes.
func TestRetryPolicies(t *testing.T) {
	const fail, ok = false, true
	ms := time.Millisecond
	many := make([]bool, 40)
	for _, c := range []struct {
		name    string
		push    directory.Push
		results []bool
		gaps    []time.Duration // before each push
	}{
		{"linear of 3 s by default", directory.Push{RetryType: "linear"}, []bool{fail, fail, ok, ok}, []time.Duration{0, 3 * time.Second, 3 * time.Second, 0}},
		{"linear with a period", directory.Push{RetryPeriod: 250}, []bool{fail, ok, fail, ok}, []time.Duration{0, 250 * ms, 0, 250 * ms}},
		{"linear with a short period", directory.Push{RetryPeriod: 1}, append(make([]bool, 12), ok, ok, fail, ok), []time.Duration{
			0, 100 * ms, 200 * ms, 300 * ms, 400 * ms, 500 * ms, 600 * ms, 700 * ms, 800 * ms, 900 * ms, time.Second, time.Second, time.Second, 0, 0, 100 * ms,
		}},
		{"slowstart of successes", directory.Push{RetryType: "slowstart"}, []bool{ok, ok, ok, ok}, []time.Duration{time.Second, 500 * ms, 300 * ms, 300 * ms}},
		{"slowstart of failures", directory.Push{RetryType: "slowstart"}, []bool{fail, fail, fail, ok, ok}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, time.Second}},
		{"slowstart ends at a day", directory.Push{RetryType: "slowstart"}, many, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				enough := make(chan struct{})
				e := &endpoint{answer: func(*http.Request, string) (int, error) {
					n++
					if n == len(c.results) {
						close(enough)
					}
					if n > len(c.results) || c.results[n-1] {
						return 200, nil
					}
					return 0, errRefused
				}}
				w := newWorker(t, e, nil)
				start := time.Now()
				w.Set([]push.Subscription{subscription("s", newMemory(len(c.results)), func(p *directory.Push) { p.RetryType, p.RetryPeriod = c.push.RetryType, c.push.RetryPeriod })})
				<-enough
				synctest.Wait()
				stop(w)
				gaps := e.gaps(start)[:len(c.results)]
				if c.gaps == nil {
					if last := gaps[len(gaps)-1]; last != 24*time.Hour {
						t.Errorf("the last interval is %s", last)
					}
					return
				}
				if !slices.Equal(gaps, c.gaps) {
					t.Errorf("got %v, want %v", gaps, c.gaps)
				}
			})
		})
	}
}

// TestOrder: with one message a push, the next follows only after the previous was taken,
// and each is acknowledged only then. Messages that wait are extended.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newMemory(3)
		n := 0
		e := &endpoint{answer: func(*http.Request, string) (int, error) {
			n++
			if n <= 9 { // 27 s
				source.read(func() {
					if len(source.acked) > 0 {
						t.Error("acknowledged before it was taken")
					}
				})
				return 503, nil
			}
			return 204, nil
		}}
		w := newWorker(t, e, nil)
		w.Set([]push.Subscription{subscription("s", source, nil)})
		time.Sleep(time.Second)
		synctest.Wait()
		if s, _ := w.State("s"); s.Status != apipush.StatusRetrying || s.Failures != 1 || s.LastError != "s.example answered with status 503" || time.Until(s.NextAttempt) != 2*time.Second {
			t.Errorf("state is %+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		bodies := e.got()
		for i, want := range []string{`"messageId":"1"`, `"messageId":"2"`, `"messageId":"3"`} {
			if at := max(0, i+9); !strings.Contains(bodies[at], want) {
				t.Errorf("push %d is %s", at, bodies[at])
			}
		}
		source.read(func() {
			if !slices.Equal(source.acked, []string{"1", "2", "3"}) || source.extended < 7 {
				t.Errorf("acknowledged %v, extended %d times", source.acked, source.extended)
			}
		})
		if s, _ := w.State("s"); s.Status != apipush.StatusActive || s.Failures != 0 || s.Delivered != 3 {
			t.Errorf("state is %+v", s)
		}
		stop(w)
	})
}

// TestShapes: what an endpoint gets.
func TestShapes(t *testing.T) {
	one := `{"message":{"attributes":{"n":"1"},"data":"ZGF0YSAx","messageId":"1","publishTime":"2026-01-02T03:04:05.000000001Z"},"subscription":"/projects/P/subscriptions/s"}`
	for _, c := range []struct {
		name   string
		change func(*directory.Push)
		data   string
		want   string
	}{
		{"one message", func(*directory.Push) {}, "", one},
		{"several", func(p *directory.Push) { p.MaxMessages = 10 }, "", `{"messages":[` + one + `]}`},
		{"decoded", func(p *directory.Push) { p.Base64Decode = true }, "", strings.Replace(one, "ZGF0YSAx", "data 1", 1)},
		{"not UTF-8", func(p *directory.Push) { p.Base64Decode = true }, "\xff", strings.Replace(one, "ZGF0YSAx", "/w==", 1)},
		{"mattermost", func(p *directory.Push) {
			*p = directory.Push{Type: push.TypeMattermost, MattermostURL: "https://m.example/hooks/x", MattermostUsername: "ams", MattermostChannel: "ops", Base64Decode: true, MaxMessages: 5}
		}, "", `{"text":"data 1","username":"ams","channel":"ops"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{answer: func(r *http.Request, _ string) (int, error) {
					header := "0123"
					if r.URL.Host == "m.example" {
						header = ""
					}
					if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != header {
						t.Errorf("got %s with %v", r.Method, r.Header)
					}
					return 201, nil
				}}
				source := newMemory(1)
				if c.data != "" {
					source.waiting[0].Data = []byte(c.data)
				}
				s := subscription("s", source, c.change)
				s.Authorization = func(context.Context) (string, error) { return "0123", nil }
				w := newWorker(t, e, nil)
				w.Set([]push.Subscription{s})
				synctest.Wait()
				if got := e.got(); len(got) != 1 || got[0] != c.want {
					t.Errorf("got %q\nwant %s", got, c.want)
				}
				stop(w)
			})
		})
	}
}

// TestDeadLetters: a message is given up after so many deliveries, and kept if that cannot
// be stored.
func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(_ *http.Request, body string) (int, error) {
			if strings.Contains(body, `"messageId":"2"`) {
				return 200, nil
			}
			return 400, nil
		}}
		source := newMemory(2)
		source.unburied = errRefused
		w := newWorker(t, e, func(c *push.Config) { c.MaxDeliveries = 3 })
		w.Set([]push.Subscription{subscription("s", source, nil)})
		time.Sleep(10 * time.Second) // pushed at 0, 3, 6, 9 s
		synctest.Wait()
		if n := len(e.got()); n != 4 {
			t.Errorf("pushed %d times", n)
		}
		source.read(func() { source.unburied = nil })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		source.read(func() {
			if !slices.Equal(source.buried, []string{"1"}) || !slices.Equal(source.acked, []string{"2"}) {
				t.Errorf("buried %v, acknowledged %v", source.buried, source.acked)
			}
		})
		if s, _ := w.State("s"); s.Status != apipush.StatusActive || s.DeadLetters != 1 || !s.NextAttempt.IsZero() {
			t.Errorf("state is %+v", s)
		}
		stop(w)
	})
}

// TestUnverified: nothing is pushed to an endpoint that is not verified.
func TestUnverified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		source := newMemory(2)
		w := newWorker(t, e, nil)
		w.Set([]push.Subscription{subscription("s", source, func(p *directory.Push) { p.Verified = false })})
		time.Sleep(48 * time.Hour)
		if s, ok := w.State("s"); len(e.got()) > 0 || !ok || s.Status != apipush.StatusUnverified {
			t.Errorf("pushed %q, state %+v", e.got(), s)
		}
		w.Set([]push.Subscription{subscription("s", source, nil)})
		synctest.Wait()
		if len(e.got()) != 2 {
			t.Errorf("pushed %q", e.got())
		}
		stop(w)
		if !source.closed {
			t.Error("the source is not closed")
		}
	})
}

// TestChange: a changed endpoint gets all messages that the old one has not taken, in order,
// and the old one gets nothing any more, also before Set.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to []string
		e := &endpoint{answer: func(r *http.Request, body string) (int, error) {
			to = append(to, r.URL.Host)
			if r.URL.Host != "old.example" {
				return 200, nil
			}
			<-r.Context().Done() // it hangs
			return 0, r.Context().Err()
		}}
		source := newMemory(3)
		var current atomic.Bool
		current.Store(true)
		old := subscription("s", source, func(p *directory.Push) { p.Endpoint = "https://old.example" })
		old.Current = current.Load
		w := newWorker(t, e, nil)
		w.Set([]push.Subscription{old})
		time.Sleep(31 * time.Second) // it has timed out once
		synctest.Wait()
		current.Store(false)
		time.Sleep(time.Minute)
		w.Set([]push.Subscription{subscription("s", source, func(p *directory.Push) { p.Endpoint = "https://new.example" })})
		synctest.Wait()
		if want := []string{"old.example", "new.example", "new.example", "new.example"}; !slices.Equal(to, want) {
			t.Errorf("pushed to %v", to)
		}
		acknowledged()
		source.read(func() {
			if !slices.Equal(source.acked, []string{"1", "2", "3"}) {
				t.Errorf("acknowledged %v", source.acked)
			}
		})
		stop(w)
	})
}

// TestDeadHosts: endpoints that hang cost others nothing, although they could use every
// request that may be open at once.
func TestDeadHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(r *http.Request, _ string) (int, error) {
			if !strings.HasPrefix(r.URL.Host, "dead") {
				return 200, nil
			}
			<-r.Context().Done()
			return 0, r.Context().Err()
		}}
		w := newWorker(t, e, func(c *push.Config) { c.Concurrency = 16 })
		var subs []push.Subscription
		for i := range 200 {
			id := "dead-" + string(rune('a'+i%3))
			s := subscription(id, newMemory(1), nil)
			s.ID = id + "-" + time.Duration(i).String()
			subs = append(subs, s)
		}
		w.Set(subs)
		time.Sleep(time.Minute)
		source := newMemory(100)
		w.Set(append(subs, subscription("live", source, nil)))
		acknowledged()
		source.read(func() {
			if len(source.acked) != 100 {
				t.Errorf("%d of 100 messages were pushed at once", len(source.acked))
			}
		})
		stop(w)
	})
}

// TestManyHosts: a project whose many endpoints are slow takes no slots of other projects, one
// host leaves some to the others of its project, and projects that wait get slots in turn.
func TestManyHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, sameHost atomic.Int32
		e := &endpoint{answer: func(r *http.Request, _ string) (int, error) {
			if strings.HasPrefix(r.URL.Host, "slow") {
				slow.Add(1)
				if r.URL.Host == "slow-0.example" {
					sameHost.Add(1)
				}
				time.Sleep(9 * time.Second)
			}
			return 200, nil
		}}
		w := newWorker(t, e, func(c *push.Config) { c.Concurrency = 16 })
		var subs []push.Subscription
		for i := range 200 {
			host := max(0, i-20) // one of them has many subscriptions
			s := subscription("slow-"+strconv.Itoa(host), newMemory(100), nil)
			s.ID, s.Project, s.AckDeadline = "slow-"+strconv.Itoa(i), "Q", 10*time.Second // unchanged by the next Set
			subs = append(subs, s)
			w.Set(subs) // in this order
			synctest.Wait()
		}
		if slow.Load() != 8 || sameHost.Load() > 4 {
			t.Errorf("a project has %d of 16 slots, one of its hosts %d", slow.Load(), sameHost.Load())
		}
		for _, project := range []string{"P", "R", "S"} {
			for i := range 20 {
				name := project + strconv.Itoa(i)
				s := subscription(name, newMemory(50), nil)
				s.Project = project
				subs = append(subs, s)
			}
		}
		w.Set(subs)
		acknowledged()
		for i := 200; i < len(subs); i++ {
			source := subs[i].Source.(*memory)
			source.read(func() {
				if len(source.acked) != 50 {
					t.Errorf("%d of 50 messages of %s were pushed at once", len(source.acked), subs[i].ID)
				}
			})
		}
		stop(w)
	})
}

// TestDrain: a push in progress may end; its message is acknowledged.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(*http.Request, string) (int, error) {
			time.Sleep(5 * time.Second)
			return 200, nil
		}}
		source := newMemory(3)
		w := newWorker(t, e, nil)
		w.Set([]push.Subscription{subscription("s", source, nil)})
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		w.Close(ctx)
		if !slices.Equal(source.acked, []string{"1"}) || !source.closed {
			t.Errorf("acknowledged %v", source.acked)
		}
	})
}
