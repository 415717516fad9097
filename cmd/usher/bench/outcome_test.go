package bench

import (
	"errors"
	"strings"
	"testing"
	"time"

	"usher/internal/fault"

	"usher/app/bench"
)

// TestHints: the hint is for the most frequent cause.
func TestHints(t *testing.T) {
	t.Parallel()
	const shed = "too_many_failures"
	for name, c := range map[string]struct {
		outcome outcome
		says    string
		without string
	}{
		"timeouts":              {outcome{kind: bench.TCP, failures: map[bench.Cause]int64{bench.Timeout: 9, bench.Reset: 1}, silent: 4}, shed, "sent nothing"},
		"timeouts and refusals": {outcome{failures: map[bench.Cause]int64{bench.Timeout: 9, bench.Authorization: 5}}, shed, ""},
		"refusals and timeouts": {outcome{failures: map[bench.Cause]int64{bench.Timeout: 1, bench.Authorization: 5}}, "audit give the cause; if they have no record, usher did not reply; usher stops replying to a credential that fails too often", ""},
		"refusals":              {outcome{failures: map[bench.Cause]int64{bench.Authorization: 5}}, "audit give the cause", shed},
		"silent":                {outcome{kind: bench.TCP, failures: map[bench.Cause]int64{bench.Timeout: 9}, silent: 9}, "sent nothing: it may be overloaded, or this is another port; its WebSocket port", shed},
		"silent, websocket":     {outcome{kind: bench.WebSocket, failures: map[bench.Cause]int64{bench.Timeout: 9}, silent: 9}, "sent nothing", "ws://"},
		"protocol":              {outcome{kind: bench.TCP, failures: map[bench.Cause]int64{bench.Protocol: 9}}, "this is the client port of nats-server", ""},
		"protocol, websocket":   {outcome{kind: bench.WebSocket, failures: map[bench.Cause]int64{bench.Protocol: 9}}, "this is a WebSocket port", ""},
	} {
		c.outcome.missing, c.outcome.total = 9, 10
		var e *fault.Error
		if err := c.outcome.err(); !errors.As(err, &e) || e.Kind != fault.Runtime || !strings.Contains(e.Hint, c.says) || c.without != "" && strings.Contains(e.Hint, c.without) {
			t.Errorf("%s: %v, %+v", name, err, e)
		}
	}
}

// TestNotes: there is a note for a lag that distorts the result, and for each cause with
// an error text.
func TestNotes(t *testing.T) {
	t.Parallel()
	const late = "note: the latest connect started "
	tls := map[bench.Cause]int64{bench.TLS: 1, bench.Refused: 1}
	texts := map[bench.Cause]string{bench.TLS: "x509: who?", bench.Refused: "nobody", bench.Other: "a failure that is not counted"}
	for _, c := range []struct {
		outcome *outcome
		want    string
	}{
		{stormOutcome(&bench.StormResult{Elapsed: time.Second, BeginLag: 240 * time.Millisecond}), ""},
		{stormOutcome(&bench.StormResult{Elapsed: 4 * time.Second, BeginLag: 900 * time.Millisecond}), ""},
		{stormOutcome(&bench.StormResult{Elapsed: time.Second, BeginLag: 400 * time.Millisecond}), late + "400ms late"},
		{connectOutcome(&bench.ConnectResult{Elapsed: time.Hour, BeginLag: 50 * time.Millisecond}), ""},
		{connectOutcome(&bench.ConnectResult{Elapsed: time.Hour, BeginLag: 51 * time.Millisecond}), late + "51ms late"},
		{connectOutcome(&bench.ConnectResult{Failures: tls, Errors: texts}), "usher: note: tls, for example: x509: who?\n"},
	} {
		var b strings.Builder
		c.outcome.notes(&b)
		if got := b.String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%+v: %q, not %q", c.outcome, got, c.want)
		}
	}
}
