package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
)

// storms is what the steps of storms share.
type storms struct {
	sizes  []int // numbers of clients
	rounds int
	kinds  map[bool]*kind // by whether requests are sealed
	pairs  []pair
}

// kind is what is known of storms with plain or with sealed requests.
type kind struct {
	reference backend
	costs     *costs // nil: not measured
}

// pair is a storm with the reference and one with usher, one right after the other.
type pair struct {
	sealed           bool
	usher, reference *storm
}

func kindName(sealed bool) string {
	if sealed {
		return "sealed"
	}
	return "plain"
}

func (s *storms) largest() int { return slices.Max(s.sizes) }

// sizesOf returns the sizes of storms of one kind.
func (s *storms) sizesOf(sealed bool) []int {
	return slices.DeleteFunc(slices.Clone(s.sizes), func(n int) bool { return sealed && isLarge(n) })
}

// measure runs storms of one size with the reference and with usher by turns.
func (s *storms) measure(ctx context.Context, r *runner, clients int, sealed bool) (figures, error) {
	k := s.kinds[sealed]
	if k == nil || k.reference.connections == 0 {
		return nil, errors.New("no reference was found")
	}
	var pairs []pair
	for i := range s.roundsOf(clients) {
		p, err := k.pair(ctx, r, i, clients, sealed)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", i+1, err)
		}
		r.logf("  round %d of %d, reference: %s", i+1, s.roundsOf(clients), p.reference)
		r.logf("  round %d of %d, usher:     %s", i+1, s.roundsOf(clients), p.usher)
		pairs = append(pairs, p)
	}
	s.pairs = append(s.pairs, pairs...)
	return k.figures(pairs, sizeID(clients, sealed))
}

// pair runs one round. Which comes first changes with each round.
func (k *kind) pair(ctx context.Context, r *runner, round, clients int, sealed bool) (pair, error) {
	p := pair{sealed: sealed}
	sides := []struct {
		backend
		limit time.Duration
		found **storm
	}{
		{k.reference, referenceLimit, &p.reference},
		{backend{program: usher, sealed: sealed}, usherLimit, &p.usher},
	}
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		found, err := r.storm(ctx, side.backend, clients, side.limit)
		if err != nil {
			return p, fmt.Errorf("%s: %w", side.program, err)
		}
		*side.found = found
	}
	return p, nil
}

// figures returns the figures of one size. Without a recovery in every round there is no
// time.
func (k *kind) figures(pairs []pair, id string) (figures, error) {
	var errs []error
	var failed, perClient, elapsed, bounds, referenceFailed, referenceElapsed []float64
	for i, p := range pairs {
		failed, referenceFailed = append(failed, p.usher.FailedAttempts), append(referenceFailed, p.reference.FailedAttempts)
		perClient = append(perClient, p.usher.failedPerClient())
		if p.reference.recovered() {
			referenceElapsed = append(referenceElapsed, p.reference.seconds())
		} else {
			referenceElapsed = append(referenceElapsed, math.Inf(1))
		}
		if !p.usher.recovered() {
			errs = append(errs, fmt.Errorf("round %d, usher: %s", i+1, p.usher))
			continue
		}
		elapsed = append(elapsed, p.usher.seconds())
		if k.costs != nil {
			bounds = append(bounds, p.usher.seconds()/k.costs.lowerBound(p.usher.Clients, runtime.NumCPU(), p.usher.BeginLagMS/1000))
		}
	}
	all := figures{id + "recovered": {value: float64(len(elapsed))}}
	all[id+"failed"] = figure{value: median(failed), each: failed, reference: referenceFailed}
	all.set(id+"attempts", median, perClient)
	if len(elapsed) == len(pairs) {
		all[id+"time"] = figure{value: median(elapsed), each: elapsed, reference: referenceElapsed}
		all.set(id+"bound", median, bounds)
	}
	return all, errors.Join(errs...)
}
