package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultSizes = "1000,2000,3000,4000,5000,8000,12000"
	// Storms with more clients are large: not all of them can be let in at once, so what
	// counts is that they recover.
	notLarge = 5000
)

// Large storms take long and differ less from each other, so they have fewer rounds.
const (
	largeRounds   = 3
	largest       = 10_000
	largestRounds = 2 // of storms above it
)

func isLarge(clients int) bool { return clients > notLarge }

// parseSizes parses the value of --clients.
func parseSizes(text string) (sizes []int, err error) {
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || n > 100_000 {
			return nil, fmt.Errorf("--clients %s: %q is not a number between 1 and 100000", text, field)
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
}

func (s *storms) roundsOf(clients int) int {
	switch {
	case clients > largest:
		return min(s.rounds, largestRounds)
	case isLarge(clients):
		return min(s.rounds, largeRounds)
	}
	return s.rounds
}

// stormSteps returns the steps of storms: plain ones of every size, then sealed ones that
// are not large, then what needs all of them.
func stormSteps(o options) []step {
	s := &storms{sizes: o.sizes, rounds: o.rounds, kinds: map[bool]*kind{}}
	var steps []step
	for _, sealed := range []bool{false, true} {
		sizes := s.sizesOf(sealed)
		if len(sizes) == 0 {
			continue
		}
		steps = append(steps, s.calibrationStep(sealed))
		for _, n := range sizes {
			steps = append(steps, s.sizeStep(n, sealed))
		}
	}
	return append(steps, s.cpuStep())
}

func stormPrograms() []program { return []program{usher, natsServer, reference} }

func (s *storms) calibrationStep(sealed bool) step {
	name := kindName(sealed)
	rows := []row{
		{name + "-connections", "connections of the reference, " + name + ", the better of 1 and 4", information(), ""},
		{name + "-granted", "CPU of a connect, " + name + ": nats-server, usher and client", information(), "ms"},
		{name + "-unanswered", "CPU of an attempt that nobody answers, " + name, information(), "ms"},
	}
	if !sealed {
		rows = append(rows, row{"static", "CPU of a connect with a static token", information(), "ms"})
	}
	return step{
		part: "storm", name: "calibration, " + name, needs: stormPrograms(), rows: rows,
		run: func(ctx context.Context, r *runner) (figures, error) { return s.calibrate(ctx, r, sealed) },
	}
}

// sizeID is the start of the ids of a size's rows.
func sizeID(clients int, sealed bool) string { return fmt.Sprintf("%s-%d-", kindName(sealed), clients) }

func (s *storms) sizeStep(clients int, sealed bool) step {
	name, id, rounds := "storm of "+thousands(clients)+", "+kindName(sealed), sizeID(clients, sealed), s.roundsOf(clients)
	bound := row{id + "bound", name + ", time to the lower bound", information(), "×"}
	rows := []row{
		{id + "failed", name + ", failed attempts", atMostReference(1), ""},
		{id + "time", name + ", until all are connected", atMostReference(1.05), "s"},
		bound,
	}
	if isLarge(clients) {
		rows = []row{
			{id + "recovered", name + ", recovered", exactly(float64(rounds)), "of " + thousands(rounds)},
			{id + "time", name + ", until all are connected", atMostReference(0.8), "s"},
			{id + "attempts", name + ", failed attempts per client", information(), ""},
			bound,
		}
	}
	return step{
		part: "storm", name: name, needs: stormPrograms(), rows: rows,
		run: func(ctx context.Context, r *runner) (figures, error) { return s.measure(ctx, r, clients, sealed) },
	}
}

func (s *storms) cpuStep() step {
	rows := []row{
		{"cpu", "CPU of usher for one connect in a storm, to the reference's", atMost(0.5), "×"},
	}
	for _, g := range s.cpuGroups() {
		rows = append(rows, g.row)
	}
	return step{
		part: "storm", name: "CPU in storms", needs: stormPrograms(), run: s.measureCPU,
		rows: append(
			rows,
			row{"cpu-usher", "CPU of usher for one connect in a storm", information(), "ms"},
			row{"cpu-reference", "CPU of the reference for one connect in a storm", information(), "ms"},
		),
	}
}
