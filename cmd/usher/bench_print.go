package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"usher/bench"
)

// benchReport is one measurement for people, and as JSON.
type benchReport interface {
	printText(w io.Writer)
}

func printBench(c *cli.Context, r benchReport) error {
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(r)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	r.printText(w)
	return w.Flush()
}

// stormJSON is what "usher bench storm --json" prints.
type stormJSON struct {
	Kind                    bench.Kind       `json:"kind"`
	Clients                 int              `json:"clients"`
	Connected               int              `json:"connected"`
	ClosedForGood           int              `json:"closed_for_good"`
	Interrupted             bool             `json:"interrupted"`
	ElapsedMS               float64          `json:"elapsed_ms"`
	BeginLagMS              float64          `json:"begin_lag_ms"`
	FailedAttempts          int64            `json:"failed_attempts"`
	FailedAttemptsPerClient float64          `json:"failed_attempts_per_client"`
	Failures                map[string]int64 `json:"failures"`
	ConnectedMS             struct {
		P50  *float64 `json:"p50"`
		P90  *float64 `json:"p90"`
		P99  *float64 `json:"p99"`
		P100 *float64 `json:"p100"`
	} `json:"connected_ms"`
	ClientMS struct {
		P50 *float64 `json:"p50"`
		P90 *float64 `json:"p90"`
		P99 *float64 `json:"p99"`
		Max *float64 `json:"max"`
	} `json:"client_ms"`
}

func stormReport(r *bench.StormResult) *stormJSON {
	j := &stormJSON{
		Kind: r.Kind, Clients: r.Clients, Connected: r.Connected, ClosedForGood: r.ClosedForGood, Interrupted: r.Interrupted,
		ElapsedMS: ms(r.Elapsed), BeginLagMS: ms(r.BeginLag),
		FailedAttempts: r.FailedAttempts, FailedAttemptsPerClient: float64(r.FailedAttempts) / float64(r.Clients),
		Failures: named(r.Failures, bench.MaxInFlight),
	}
	at, took := quantile(r.ConnectedAt), quantile(r.ClientTook)
	j.ConnectedMS.P50, j.ConnectedMS.P90, j.ConnectedMS.P99, j.ConnectedMS.P100 = at(0.5), at(0.9), at(0.99), at(1)
	j.ClientMS.P50, j.ClientMS.P90, j.ClientMS.P99, j.ClientMS.Max = took(0.5), took(0.9), took(0.99), took(1)
	return j
}

func (j *stormJSON) printText(w io.Writer) {
	fmt.Fprintf(w, "clients\t%d, %s\n", j.Clients, j.Kind)
	fmt.Fprintf(w, "connected\t%d in %s\n", j.Connected, people(&j.ElapsedMS))
	fmt.Fprintf(w, "closed for good\t%d\n", j.ClosedForGood)
	fmt.Fprintf(w, "failed attempts\t%d, %.2f for each client%s\n", j.FailedAttempts, j.FailedAttemptsPerClient, listed(j.Failures))
	fmt.Fprintf(w, "last begin\t%s late\n", people(&j.BeginLagMS))
	fmt.Fprint(w, "\nshare\t50%\t90%\t99%\t100%\n")
	c := &j.ConnectedMS
	fmt.Fprintf(w, "of all clients connected\t%s\t%s\t%s\t%s\n", people(c.P50), people(c.P90), people(c.P99), people(c.P100))
	e := &j.ClientMS
	fmt.Fprintf(w, "a connected client took\t%s\t%s\t%s\t%s\n", people(e.P50), people(e.P90), people(e.P99), people(e.Max))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile returns a function that is nil for a share that was not reached.
func quantile(s bench.Samples) func(share float64) *float64 {
	return func(share float64) *float64 {
		d, ok := s.At(share)
		if !ok {
			return nil
		}
		v := ms(d)
		return &v
	}
}

// people writes milliseconds for people: three digits are enough.
func people(v *float64) string {
	if v == nil {
		return "never"
	}
	d := time.Duration(*v * float64(time.Millisecond))
	unit := time.Microsecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// named gives causes their names, without those that cannot occur.
func named(failures map[bench.Cause]int64, without ...bench.Cause) map[string]int64 {
	m := make(map[string]int64, len(failures))
	for cause, n := range failures {
		m[cause.String()] = n
	}
	for _, cause := range without {
		delete(m, cause.String())
	}
	return m
}

// listed writes the causes that occurred.
func listed(failures map[string]int64) string {
	var text []string
	for _, cause := range bench.Causes() {
		if n := failures[cause.String()]; n > 0 {
			text = append(text, fmt.Sprintf("%s %d", cause, n))
		}
	}
	if len(text) == 0 {
		return ""
	}
	return ": " + strings.Join(text, ", ")
}

// benchVerdict makes the exit code, and says what to do about the most frequent
// cause.
func benchVerdict(interrupted bool, missing, of int, failures map[bench.Cause]int64) error {
	if interrupted {
		return &exitError{code: exitInterrupted, err: errors.New("interrupted: this is what was measured until then")}
	}
	if missing == 0 {
		return nil
	}
	worst := bench.Other
	for _, cause := range bench.Causes() {
		if failures[cause] > failures[worst] {
			worst = cause
		}
	}
	hints := map[bench.Cause]string{
		bench.Timeout:       "usher did not answer in time: is it running, and is there enough of it? usher check",
		bench.Authorization: "usher's log and audit say why; if they do not know of it, usher was silent",
		bench.Refused:       "is nats-server running, and is this its address?",
		bench.TLS:           "--ca FILE names the certificate authority of nats-server",
		bench.ServerLimit:   "max_connections of nats-server or of the account is too low for this",
		bench.LocalLimit:    "this machine has no file or port left: fewer clients, or several machines",
		bench.MaxInFlight:   "connects take longer than they may at this rate: --rate or --max-in-flight",
	}
	return &exitError{code: exitRuntime, err: fmt.Errorf("%d of %d did not connect", missing, of), hint: hints[worst]}
}
