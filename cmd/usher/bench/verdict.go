package bench

import (
	"errors"
	"fmt"
	"io"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"usher/app/bench"
)

// benchOutcome is what the exit code and the words on stderr are made of.
type benchOutcome struct {
	kind        bench.Kind
	interrupted bool
	missing, of int64
	failures    map[bench.Cause]int64
	errors      map[bench.Cause]string
	silent      int64
	lag         time.Duration
	lagged      bool // so late that it, not the server, was measured
}

// Connects are late when it shows in what they took, a storm when it was no storm.
const (
	connectLag    = 50 * time.Millisecond
	stormLag      = 250 * time.Millisecond
	stormLagShare = 4 // of the time that the storm took
)

func stormOutcome(r *bench.StormResult) *benchOutcome {
	return &benchOutcome{
		kind: r.Kind, interrupted: r.Interrupted, missing: int64(r.Clients - r.Connected), of: int64(r.Clients),
		failures: r.Failures, errors: r.Errors, silent: r.Silent,
		lag: r.BeginLag, lagged: r.BeginLag > stormLag && r.BeginLag > r.Elapsed/stormLagShare,
	}
}

func connectOutcome(r *bench.ConnectResult) *benchOutcome {
	return &benchOutcome{
		kind: r.Kind, interrupted: r.Interrupted, missing: r.Attempts - r.Connected, of: r.Attempts,
		failures: r.Failures, errors: r.Errors, silent: r.Silent,
		lag: r.BeginLag, lagged: r.BeginLag > connectLag,
	}
}

// notes says what is behind the figures.
func (o *benchOutcome) notes(w io.Writer) {
	if o.lagged {
		lag := ms(o.lag)
		cmdutil.Say(w, "note", fmt.Sprintf("the latest began %s late: the load generator was the bottleneck, or this machine busy, and the figures are of that, too", people(&lag)))
	}
	for _, cause := range []bench.Cause{bench.TLS, bench.Protocol, bench.Other} {
		if text := o.errors[cause]; o.failures[cause] > 0 && text != "" {
			cmdutil.Say(w, "note", fmt.Sprintf("%s, such as: %s", cause, text))
		}
	}
}

// verdict makes the exit code, and says what to do about the most frequent cause.
func (o *benchOutcome) verdict() error {
	if o.interrupted {
		return &fault.Error{Kind: fault.Interrupted, Err: errors.New("interrupted: this is what was measured until then")}
	}
	if o.missing == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%d of %d did not connect", o.missing, o.of), Hint: o.hint()}
}

func (o *benchOutcome) hint() string {
	const shed = `; a credential that fails too often is not answered any more: too_many_failures in usher_requests_total{outcome="shed"}`
	worst := bench.Other
	for _, cause := range bench.Causes() {
		if o.failures[cause] > o.failures[worst] {
			worst = cause
		}
	}
	hint := map[bench.Cause]string{
		bench.Timeout:       "usher did not answer in time: is it running, and is there enough of it? usher check" + shed,
		bench.Authorization: "usher's log and audit say why; if they do not know of it, usher was silent",
		bench.Refused:       "is nats-server running at this address?",
		bench.Reset:         "nats-server's log says why it closed them",
		bench.TLS:           "--ca FILE names the certificate authority of nats-server",
		bench.Protocol:      "is this nats-server's port for clients, and has it TLS as the URL says? nats:// or tls://; its WebSocket port takes ws:// or wss://",
		bench.ServerLimit:   "max_connections of nats-server or of the account is too low for this",
		bench.LocalLimit:    "this machine has no file or port left: fewer clients, or several machines",
		bench.MaxInFlight:   "connects take longer than they may at this rate: --rate or --max-in-flight",
	}[worst]
	switch {
	case worst == bench.Timeout && 2*o.silent > o.failures[worst] && o.kind == bench.TCP:
		return "nats-server did not say a word: is it overloaded, or is this another port? its WebSocket port takes ws:// or wss://"
	case worst == bench.Timeout && 2*o.silent > o.failures[worst]:
		return "nats-server did not say a word: is it overloaded, or is this another port?"
	case worst == bench.Protocol && o.kind == bench.WebSocket:
		return "is this a WebSocket port, and has it TLS as the URL says? ws:// is without, wss:// with; nats-server's port for clients takes nats:// or tls://"
	case worst == bench.Authorization && o.failures[bench.Timeout] > 0:
		return hint + shed
	}
	return hint
}
