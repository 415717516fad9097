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
func parts() []string {
	return []string{"handle", "verify", "provider", "storm", "jwt", "steady", "supervisors", "sessions", "messages", "http", "directory", "kv"}
}

func partNames() string { return strings.Join(parts(), ",") }

// selectSteps returns the selected steps, in order.
func selectSteps(o options) ([]step, error) {
	var err error
	if o.sizes, err = parseSizes(o.clients); err != nil {
		return nil, err
	}
	if o.rounds < 1 || o.rounds > 100 {
		return nil, fmt.Errorf("--rounds %d is not between 1 and 100", o.rounds)
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
	return slices.Concat([]step{
		{
			part: "handle", name: "one request", needs: []program{calloutTest}, run: measureHandle,
			rows: []row{
				{"plain-floor", "one request, plain, to the crypto floor", atMost(1.25), "×"},
				{"sealed-floor", "one request, sealed, to the crypto floor", atMost(1.3), "×"},
				{"plain-allocs", "allocations of a request, plain", atMost(60), ""},
				{"sealed-allocs", "allocations of a request, sealed", atMost(60), ""},
				{"plain-reference", "one request, plain, faster than the reference", atLeast(1.4), "×"},
				{"sealed-reference", "one request, sealed, faster than the reference", atLeast(2.4), "×"},
			},
		},
		verifyStep(),
		{
			part: "provider", name: "dead identity provider", needs: []program{calloutTest}, run: measureDeadProvider,
			rows: []row{
				{"provider-ratio", "API keys beside a provider that hangs, p99 of a connect to that beside one that answers", atMost(1.2), "×"},
				{"provider-failed", "API keys beside a provider that hangs, connects that failed", exactly(0), ""},
				{"provider-alone", "API keys beside a provider that hangs, p99 of a connect to that without other clients", information(), "×"},
				{"provider-p99", "API keys beside a provider that hangs, p99 of a connect", information(), "ms"},
			},
		},
	}, stormSteps(o), []step{
		jwtStep(o),
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
		supervisorsStep(),
		sessionsStep(),
		messagesStep(),
		httpStep(),
		idlePushStep(),
		{
			part: "directory", name: "directory", needs: []program{directoryTest}, run: measureDirectory,
			rows: rowsOf(directoryTable()),
		},
		{
			part: "kv", name: "directory in NATS", needs: []program{kvTest}, run: measureKV,
			rows: rowsOf(kvTable()),
		},
	})
}

// thousands formats n with separators, such as 12,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
