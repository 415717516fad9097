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

// outcome decides the exit code, the notes and the hint.
type outcome struct {
	kind           bench.Kind
	interrupted    bool
	missing, total int64
	failures       map[bench.Cause]int64
	errors         map[bench.Cause]string
	silent         int64
	lag            time.Duration
	lagged         bool // the load generator was the bottleneck
}

// Above these lags the load generator distorts the result. For a storm the lag is also
// compared with its duration.
const (
	connectLag    = 50 * time.Millisecond
	stormLag      = 250 * time.Millisecond
	stormLagShare = 4 // a quarter of the storm
)

func stormOutcome(r *bench.StormResult) *outcome {
	return &outcome{
		kind: r.Kind, interrupted: r.Interrupted, missing: int64(r.Clients - r.Connected), total: int64(r.Clients),
		failures: r.Failures, errors: r.Errors, silent: r.Silent,
		lag: r.BeginLag, lagged: r.BeginLag > stormLag && r.BeginLag > r.Elapsed/stormLagShare,
	}
}

func connectOutcome(r *bench.ConnectResult) *outcome {
	return &outcome{
		kind: r.Kind, interrupted: r.Interrupted, missing: r.Attempts - r.Connected, total: r.Attempts,
		failures: r.Failures, errors: r.Errors, silent: r.Silent,
		lag: r.BeginLag, lagged: r.BeginLag > connectLag,
	}
}

// notes prints what affected the result.
func (o *outcome) notes(w io.Writer) {
	if o.lagged {
		lag := ms(o.lag)
		cmdutil.Note(w, fmt.Sprintf("the latest connect started %s late: the load generator was the bottleneck or this machine was busy, which distorts the result", roundedMS(&lag)))
	}
	for _, cause := range []bench.Cause{bench.TLS, bench.Protocol, bench.Other} {
		if text := o.errors[cause]; o.failures[cause] > 0 && text != "" {
			cmdutil.Note(w, fmt.Sprintf("%s, for example: %s", cause, text))
		}
	}
}

// err returns the error of the run, with a hint for the most frequent cause.
func (o *outcome) err() error {
	if o.interrupted {
		return &fault.Error{Kind: fault.Interrupted, Err: errors.New("interrupted: the result covers the time until then")}
	}
	if o.missing == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%d of %d did not connect", o.missing, o.total), Hint: o.hint()}
}

func (o *outcome) hint() string {
	const shed = `; usher stops replying to a credential that fails too often: reason too_many_failures in usher_requests_total{outcome="shed"}`
	worst := bench.Other
	for _, cause := range bench.Causes() {
		if o.failures[cause] > o.failures[worst] {
			worst = cause
		}
	}
	hint := map[bench.Cause]string{
		bench.Timeout:       "usher did not reply in time: check with usher check that it runs, and that there are enough instances" + shed,
		bench.Authorization: "usher's log and audit give the cause; if they have no record, usher did not reply",
		bench.Refused:       "check that nats-server is running at this address",
		bench.Reset:         "nats-server's log gives the reason for closing them",
		bench.TLS:           "name the certificate authority of nats-server with --ca FILE",
		bench.Protocol:      "check that this is the client port of nats-server, and that the URL matches its TLS: nats:// or tls://; its WebSocket port needs ws:// or wss://",
		bench.ServerLimit:   "raise max_connections of nats-server or of the account",
		bench.LocalLimit:    "this machine is out of files or ports: use fewer clients, or several machines",
		bench.MaxInFlight:   "connects take too long for this rate: lower --rate or raise --max-in-flight",
	}[worst]
	switch {
	case worst == bench.Timeout && 2*o.silent > o.failures[worst] && o.kind == bench.TCP:
		return "nats-server sent nothing: it may be overloaded, or this is another port; its WebSocket port needs ws:// or wss://"
	case worst == bench.Timeout && 2*o.silent > o.failures[worst]:
		return "nats-server sent nothing: it may be overloaded, or this is another port"
	case worst == bench.Protocol && o.kind == bench.WebSocket:
		return "check that this is a WebSocket port, and that the URL matches its TLS: ws:// is without, wss:// is with TLS; the client port of nats-server needs nats:// or tls://"
	case worst == bench.Authorization && o.failures[bench.Timeout] > 0:
		return hint + shed
	}
	return hint
}
