package requestlog

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// testShedding is a Shedding with a readable log and a clock that a test sets.
type testShedding struct {
	*Shedding
	t   *testing.T
	log bytes.Buffer
	now time.Time
}

func newTestShedding(t *testing.T) *testShedding {
	t.Helper()
	s := &testShedding{t: t, now: time.Unix(1_800_000_000, 0)}
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{ReplaceAttr: noTime}))
	s.Shedding = NewShedding(log, func() time.Time { return s.now })
	return s
}

// expect compares with what was logged since the last call.
func (s *testShedding) expect(lines ...string) {
	s.t.Helper()
	if got, want := strings.TrimSpace(s.log.String()), strings.Join(lines, "\n"); got != want {
		s.t.Errorf("logged:\n%s\nwant:\n%s", got, want)
	}
	s.log.Reset()
}

// Shedding logs one line for each code when it begins and one line when it ends,
// however many requests were shed.
//
// Attack: a client floods the log with requests that are shed
// Held by: usher logs one line when shedding begins and one with the count when it ends
func TestShedding(t *testing.T) {
	s := newTestShedding(t)
	s.EndIfQuiet()
	s.End()
	s.expect()

	s.Count("queue_full")
	s.expect(`level=WARN msg="shedding requests" code=queue_full`)
	for range 1000 {
		s.Count("too_late")
	}
	s.now = s.now.Add(1500 * time.Millisecond)
	s.Count("too_many_failures")
	s.expect(`level=WARN msg="shedding requests" code=too_late`, `level=WARN msg="shedding requests" code=too_many_failures`)
	s.now = s.now.Add(quietPeriod - 1)
	s.EndIfQuiet()
	s.expect()
	s.now = s.now.Add(1)
	s.EndIfQuiet()
	s.EndIfQuiet()
	s.End()
	s.expect(`level=INFO msg="shedding has ended" for=1.5s queue_full=1 too_late=1000 too_many_failures=1`)

	s.Count("verifier_busy")
	s.expect(`level=WARN msg="shedding requests" code=verifier_busy`)
	s.now = s.now.Add(time.Second)
	s.Count("verifier_busy")
	s.End() // the service stops
	s.expect(`level=INFO msg="shedding has ended" for=1s verifier_busy=2`)
}

// Every shed request is counted once, while workers shed concurrently and the end is
// checked.
func TestSheddingConcurrently(t *testing.T) {
	s := newTestShedding(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				s.Count("too_late")
				s.EndIfQuiet()
			}
		})
	}
	all.Wait()
	s.End()
	s.expect(`level=WARN msg="shedding requests" code=too_late`, `level=INFO msg="shedding has ended" for=0s too_late=2000`)
}
