package bench

import (
	"errors"
	"strings"
	"testing"
	"time"

	"usher/internal/fault"

	"usher/app/bench"
)

// TestBenchHints: the most frequent cause decides, and what goes with it.
func TestBenchHints(t *testing.T) {
	t.Parallel()
	const shed = "too_many_failures"
	for name, c := range map[string]struct {
		outcome benchOutcome
		says    string
		without string
	}{
		"timeouts":              {benchOutcome{kind: bench.TCP, failures: map[bench.Cause]int64{bench.Timeout: 9, bench.Reset: 1}, silent: 4}, shed, "did not say a word"},
		"timeouts and refusals": {benchOutcome{failures: map[bench.Cause]int64{bench.Timeout: 9, bench.Authorization: 5}}, shed, ""},
		"refusals and timeouts": {benchOutcome{failures: map[bench.Cause]int64{bench.Timeout: 1, bench.Authorization: 5}}, "audit say why; if they do not know of it, usher was silent; a credential that fails too often", ""},
		"refusals":              {benchOutcome{failures: map[bench.Cause]int64{bench.Authorization: 5}}, "audit say why", shed},
		"not a word":            {benchOutcome{kind: bench.TCP, failures: map[bench.Cause]int64{bench.Timeout: 9}, silent: 9}, "did not say a word: is it overloaded, or is this another port? its WebSocket port", shed},
		"not a word, websocket": {benchOutcome{kind: bench.WebSocket, failures: map[bench.Cause]int64{bench.Timeout: 9}, silent: 9}, "did not say a word", "ws://"},
		"protocol":              {benchOutcome{kind: bench.TCP, failures: map[bench.Cause]int64{bench.Protocol: 9}}, "is this nats-server's port for clients", ""},
		"protocol, websocket":   {benchOutcome{kind: bench.WebSocket, failures: map[bench.Cause]int64{bench.Protocol: 9}}, "is this a WebSocket port", ""},
	} {
		c.outcome.missing, c.outcome.of = 9, 10
		var e *fault.Error
		if err := c.outcome.verdict(); !errors.As(err, &e) || e.Kind != fault.Runtime || !strings.Contains(e.Hint, c.says) || c.without != "" && strings.Contains(e.Hint, c.without) {
			t.Errorf("%s: %v, %+v", name, err, e)
		}
	}
}

// TestBenchNotes: a lag that is long beside what was measured, and an error of
// each cause that needs one.
func TestBenchNotes(t *testing.T) {
	t.Parallel()
	const late = "note: the latest began "
	tls := map[bench.Cause]int64{bench.TLS: 1, bench.Refused: 1}
	texts := map[bench.Cause]string{bench.TLS: "x509: who?", bench.Refused: "nobody", bench.Other: "a failure that is not counted"}
	for _, c := range []struct {
		outcome *benchOutcome
		want    string
	}{
		{stormOutcome(&bench.StormResult{Elapsed: time.Second, BeginLag: 240 * time.Millisecond}), ""},
		{stormOutcome(&bench.StormResult{Elapsed: 4 * time.Second, BeginLag: 900 * time.Millisecond}), ""},
		{stormOutcome(&bench.StormResult{Elapsed: time.Second, BeginLag: 400 * time.Millisecond}), late + "400ms late"},
		{connectOutcome(&bench.ConnectResult{Elapsed: time.Hour, BeginLag: 50 * time.Millisecond}), ""},
		{connectOutcome(&bench.ConnectResult{Elapsed: time.Hour, BeginLag: 51 * time.Millisecond}), late + "51ms late"},
		{connectOutcome(&bench.ConnectResult{Failures: tls, Errors: texts}), "usher: note: tls, such as: x509: who?\n"},
	} {
		var b strings.Builder
		c.outcome.notes(&b)
		if got := b.String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%+v: %q, not %q", c.outcome, got, c.want)
		}
	}
}
