package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Calibration storms.
const (
	chooseClients = 4000
	costClients   = 2000 // few enough that all get in at once
	calibrations  = 2    // rounds
	// Times that differ by less count as equal.
	sameTime = 0.05
	// Long enough for each client to fail once, and too short for a second attempt.
	unansweredLimit = 3 * time.Second
)

// referenceConnections are the numbers of connections that the reference is tried with.
func referenceConnections() []int { return []int{1, 4} }

// calibrate finds the better reference, and what attempts cost.
func (s *storms) calibrate(ctx context.Context, r *runner, sealed bool) (figures, error) {
	k := &kind{}
	s.kinds[sealed] = k
	all := figures{}
	errs := []error{k.choose(ctx, r, sealed, min(chooseClients, s.largest()))}
	if k.reference.connections > 0 {
		all[kindName(sealed)+"-connections"] = figure{value: float64(k.reference.connections)}
	}
	if ctx.Err() == nil {
		errs = append(errs, k.measureCosts(ctx, r, all, sealed, min(costClients, s.largest())))
	}
	return all, errors.Join(errs...)
}

// candidate is the reference with some number of connections.
type candidate struct {
	backend
	elapsed, failed []float64
}

// choose tries the reference with each number of connections in turn.
func (k *kind) choose(ctx context.Context, r *runner, sealed bool, clients int) error {
	var tried []*candidate
	for _, n := range referenceConnections() {
		tried = append(tried, &candidate{backend: backend{program: reference, sealed: sealed, connections: n}})
	}
	for range min(calibrations, r.rounds) {
		for _, c := range tried {
			found, err := r.storm(ctx, c.backend, clients, referenceLimit)
			if err != nil {
				return fmt.Errorf("reference with %d connections: %w", c.connections, err)
			}
			r.logf("  reference with %d connections, %s clients: %s", c.connections, thousands(clients), found)
			c.elapsed, c.failed = append(c.elapsed, found.seconds()), append(c.failed, found.FailedAttempts)
		}
	}
	k.reference = better(tried).backend
	r.logf("  the reference is the one with %d connections", k.reference.connections)
	return nil
}

// better returns the candidate that is faster, or where they are equally fast, the one
// with fewer failed attempts.
func better(tried []*candidate) *candidate {
	return slices.MinFunc(tried, func(a, b *candidate) int {
		x, y := median(a.elapsed), median(b.elapsed)
		if max(x, y) > min(x, y)*(1+sameTime) {
			return cmp.Compare(x, y)
		}
		return cmp.Or(cmp.Compare(median(a.failed), median(b.failed)), cmp.Compare(x, y))
	})
}

// measureCosts measures the CPU time of attempts that succeed and of those that nobody
// answers.
func (k *kind) measureCosts(ctx context.Context, r *runner, all figures, sealed bool, clients int) error {
	name := kindName(sealed)
	var granted, unanswered, static []float64
	for range min(calibrations, r.rounds) {
		for _, c := range []struct {
			backend
			limit time.Duration
			costs *[]float64
		}{
			{staticToken, usherLimit, &static},
			{backend{program: usher, sealed: sealed}, usherLimit, &granted},
			{backend{program: nobody, sealed: sealed}, unansweredLimit, &unanswered},
		} {
			if c.backend == staticToken && sealed {
				continue // as plain
			}
			found, err := r.storm(ctx, c.backend, clients, c.limit)
			if err != nil {
				return err
			}
			attempts := float64(found.Connected) + found.FailedAttempts
			if c.program != nobody && found.FailedAttempts > 0 || attempts == 0 {
				return fmt.Errorf("calibration with %s clients: %s; a smaller --clients is needed", thousands(clients), found)
			}
			*c.costs = append(*c.costs, found.cpu.sum().Seconds()/attempts)
		}
	}
	k.costs = &costs{granted: median(granted), unanswered: median(unanswered)}
	all[name+"-granted"] = inMS(granted)
	all[name+"-unanswered"] = inMS(unanswered)
	if !sealed {
		all["static"] = inMS(static)
	}
	return nil
}

// inMS returns the median of seconds as a figure in milliseconds.
func inMS(seconds []float64) figure {
	each := make([]float64, len(seconds))
	for i, v := range seconds {
		each[i] = v * 1000
	}
	return figure{value: median(each), each: each}
}
