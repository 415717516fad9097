package callout

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// episodes is shedding with a log to read and a clock to move.
type episodes struct {
	*shedding
	t   *testing.T
	log bytes.Buffer
	now time.Time
}

func newEpisodes(t *testing.T) *episodes {
	t.Helper()
	e := &episodes{t: t, now: time.Unix(1_800_000_000, 0)}
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(&e.log, &slog.HandlerOptions{ReplaceAttr: noTime}))
	e.shedding = newShedding(log, func() time.Time { return e.now })
	return e
}

// expect compares what was logged since it was called last.
func (e *episodes) expect(lines ...string) {
	e.t.Helper()
	if got, want := strings.TrimSpace(e.log.String()), strings.Join(lines, "\n"); got != want {
		e.t.Errorf("logged:\n%s\nwant:\n%s", got, want)
	}
	e.log.Reset()
}

// One line when it begins with a code, one when it is over, however many were
// shed, and so for each time.
//
// Attack: filling the log with requests that are shed
// Held by: one line when it begins and one when it is over, with the count
func TestShedding(t *testing.T) {
	e := newEpisodes(t)
	e.settle(false)
	e.settle(true)
	e.expect()

	e.one(CodeQueueFull)
	e.expect(`level=WARN msg="shedding requests" code=queue_full`)
	for range 1000 {
		e.one(CodeTooLate)
	}
	e.now = e.now.Add(1500 * time.Millisecond)
	e.one(CodeFailing)
	e.expect(`level=WARN msg="shedding requests" code=too_late`, `level=WARN msg="shedding requests" code=too_many_failures`)
	e.now = e.now.Add(calm - 1)
	e.settle(false)
	e.expect()
	e.now = e.now.Add(1)
	e.settle(false)
	e.settle(false)
	e.settle(true)
	e.expect(`level=INFO msg="shedding has ended" for=1.5s queue_full=1 too_late=1000 too_many_failures=1`)

	e.one(CodeVerifierBusy)
	e.expect(`level=WARN msg="shedding requests" code=verifier_busy`)
	e.now = e.now.Add(time.Second)
	e.one(CodeVerifierBusy)
	e.settle(true) // the service ends
	e.expect(`level=INFO msg="shedding has ended" for=1s verifier_busy=2`)
}

// However many workers shed at the same time, and while somebody looks whether
// it is over, nobody is counted twice or not at all.
func TestSheddingConcurrently(t *testing.T) {
	e := newEpisodes(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				e.one(CodeTooLate)
				e.settle(false)
			}
		})
	}
	all.Wait()
	e.settle(true)
	e.expect(`level=WARN msg="shedding requests" code=too_late`, `level=INFO msg="shedding has ended" for=0s too_late=2000`)
}

// Every code of a request that can be shed has its place in the last line.
func TestSheddingCountsEachCode(t *testing.T) {
	for _, c := range Codes() {
		if c.Outcome != Shed {
			continue
		}
		e := newEpisodes(t)
		e.one(c.Code)
		e.settle(true)
		if !strings.Contains(e.log.String(), " "+c.Code+"=1") {
			t.Errorf("%s is not counted: %s", c.Code, e.log.String())
		}
	}
}
