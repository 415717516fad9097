package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// step measures some rows of the table.
type step struct {
	part  string // its name for --only
	name  string
	needs []program
	rows  []row
	run   func(context.Context, *runner) (figures, error) // without the figures that it could not measure; the error gives the reason
}

// parts returns the names for --only.
func parts() []string { return []string{"handle", "storm", "steady", "directory", "kv"} }

func partNames() string { return strings.Join(parts(), ",") }

// selectSteps returns the selected steps, in order.
func selectSteps(o options) ([]step, error) {
	if o.rounds < 1 || o.rounds > 100 {
		return nil, fmt.Errorf("--rounds %d is not between 1 and 100", o.rounds)
	}
	if o.clients < 1 || o.clients > 100_000 {
		return nil, fmt.Errorf("--clients %d is not between 1 and 100000", o.clients)
	}
	selected := parts()
	if o.only != "" {
		selected = strings.Split(o.only, ",")
	}
	for _, name := range selected {
		if !slices.Contains(parts(), name) {
			return nil, fmt.Errorf("--only %s: unknown part %q, expected %s", o.only, name, partNames())
		}
	}
	return slices.DeleteFunc(allSteps(o), func(s step) bool { return !slices.Contains(selected, s.part) }), nil
}

// allSteps is the table of steps, with their rows and targets.
func allSteps(o options) []step {
	small, large := o.clients, o.clients*3/2
	all := float64(o.rounds)
	times := "of " + thousands(o.rounds)
	storm, sealed := "storm of "+thousands(small), "storm of "+thousands(small)+", sealed"
	largeStorm := "storm of " + thousands(large)
	return []step{
		{
			part: "handle", name: "one request", needs: []program{calloutTest}, run: measureHandle,
			rows: []row{
				{"plain-floor", "one request, plain, to the crypto floor", atMost(1.45), "×"},
				{"sealed-floor", "one request, sealed, to the crypto floor", atMost(1.55), "×"},
				{"plain-reference", "one request, plain, faster than the reference", atLeast(1.4), "×"},
				{"sealed-reference", "one request, sealed, faster than the reference", atLeast(2.4), "×"},
				{"plain-allocs", "allocations of a request, plain", atMost(110), ""},
				{"sealed-allocs", "allocations of a request, sealed", information(), ""},
			},
		},
		{
			part: "storm", name: storm, needs: []program{usher, natsServer},
			run: func(ctx context.Context, r *runner) (figures, error) {
				return measureStorm(ctx, r, usherPlain, small, r.rounds)
			},
			rows: []row{
				{"ratio", storm + ", to a static token, worst", atMost(3.5), "×"},
				{"recovered", storm + ", recovered", exactly(all), times},
				{"attempts", storm + ", failed attempts per client, worst", information(), ""},
				{"elapsed", storm + ", until all are connected", information(), "s"},
				{"static", storm + " on a static token, until all are connected", information(), "s"},
			},
		},
		{
			part: "storm", name: largeStorm, needs: []program{usher, natsServer},
			run: func(ctx context.Context, r *runner) (figures, error) {
				return measureRecovery(ctx, r, large)
			},
			rows: []row{
				{"large-recovered", largeStorm + ", recovered", exactly(all), times},
				{"large-attempts", largeStorm + ", failed attempts per client, worst", atMost(1.5), ""},
				{"large-elapsed", largeStorm + ", until all are connected", information(), "s"},
			},
		},
		{
			part: "storm", name: sealed, needs: []program{usher, natsServer},
			run: func(ctx context.Context, r *runner) (figures, error) {
				f, err := measureStorm(ctx, r, backend{program: usher, sealed: true}, small, 1)
				return f.prefixed("sealed-"), err
			},
			rows: []row{
				{"sealed-ratio", sealed + ", to a static token", information(), "×"},
				{"sealed-elapsed", sealed + ", until all are connected", information(), "s"},
				{"sealed-attempts", sealed + ", failed attempts per client", information(), ""},
			},
		},
		{
			part: "steady", name: "steady load", needs: []program{usher, natsServer, reference}, run: measureSteady,
			rows: []row{
				{"steady-ratio", "steady load, p99 of a connect to the reference's, median", atMost(1.3), "×"},
				{"steady-shed", "steady load, requests that usher shed", exactly(0), ""},
				{"steady-failed", "steady load, connects that failed with usher", exactly(0), ""},
				{"steady-rate", "steady load, connects per second", information(), ""},
				{"steady-usher", "steady load, p99 of a connect with usher, median", information(), "ms"},
				{"steady-reference", "steady load, p99 of a connect with the reference, median", information(), "ms"},
			},
		},
		{
			part: "directory", name: "directory", needs: []program{directoryTest}, run: measureDirectory,
			rows: rowsOf(directoryTable()),
		},
		{
			part: "kv", name: "directory in NATS", needs: []program{kvTest}, run: measureKV,
			rows: rowsOf(kvTable()),
		},
	}
}

// thousands formats n with separators, such as 12,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
