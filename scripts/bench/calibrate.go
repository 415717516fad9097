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
	unansweredLimit = 3500 * time.Millisecond
)

// referenceConnections are the numbers of connections that the reference is tried with.
func referenceConnections() []int { return []int{1, 4} }

// calibrate finds the better reference, and what attempts cost.
func (s *storms) calibrate(ctx context.Context, r *runner, sealed bool) (figures, error) {
	k := &kind{}
	s.kinds[sealed] = k
	all := figures{}
	errs := []error{k.choose(ctx, r, sealed, min(chooseClients, slices.Max(s.sizesOf(sealed))))}
	if k.reference.connections > 0 {
		all[kindName(sealed)+"-connections"] = figure{value: float64(k.reference.connections)}
	}
	if ctx.Err() == nil {
		errs = append(errs, k.measureCosts(ctx, r, all, sealed, slices.Max(s.sizesOf(sealed))))
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
// answers. The latter cost the less the more there are, so there are as many clients as in
// the largest storm.
func (k *kind) measureCosts(ctx context.Context, r *runner, all figures, sealed bool, largest int) error {
	name, few := kindName(sealed), min(costClients, largest)
	var granted, unanswered, static []float64
	for range min(calibrations, r.rounds) {
		for _, c := range []struct {
			backend
			what    string
			clients int
			limit   time.Duration
			costs   *[]float64
		}{
			{staticToken, "static token", few, usherLimit, &static},
			{backend{program: usher, sealed: sealed}, "usher", few, usherLimit, &granted},
			{backend{program: nobody, sealed: sealed}, "no service", largest, unansweredLimit, &unanswered},
		} {
			if c.backend == staticToken && sealed {
				continue // as plain
			}
			found, err := r.storm(ctx, c.backend, c.clients, c.limit)
			if err != nil {
				return fmt.Errorf("%s: %w", c.what, err)
			}
			r.logf("  %s, %s clients: %s", c.what, thousands(c.clients), found)
			if c.program != nobody && (!found.recovered() || found.FailedAttempts > 0) {
				return fmt.Errorf("%s, %s clients: attempts failed, so the cost of a connect is unknown", c.what, thousands(c.clients))
			}
			*c.costs = append(*c.costs, found.cpu.sum().Seconds()/float64(c.clients))
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
