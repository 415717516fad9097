package main

import (
	"context"
	"fmt"
	"slices"
)

// jwtStep compares storms of clients with JWTs and with API keys.
func jwtStep(o options) step {
	name := "storm of " + thousands(jwtClients)
	return step{
		part: "jwt", name: name + " with JWTs", needs: []program{usher, natsServer},
		rows: []row{
			{"jwt-ratio", name + " with JWTs of one authority, time to that with API keys, medians", atMost(1.2), "×"},
			{"jwt-cpu", name + " with JWTs, CPU of server, usher and clients to that with API keys, medians", information(), "×"},
			{"jwt-time", name + " with JWTs, until all are connected", information(), "s"},
			{"jwt-key-time", name + " with API keys, until all are connected", information(), "s"},
			{"jwt-failed", name + " with JWTs, failed attempts", information(), ""},
			{"jwt-key-failed", name + " with API keys, failed attempts", information(), ""},
		},
		run: func(ctx context.Context, r *runner) (figures, error) { return measureJWTs(ctx, r, o.rounds) },
	}
}

// side is one side of the comparison, and what its storms took.
type side struct {
	backend
	id                   string
	elapsed, failed, cpu []float64
}

// measureJWTs runs storms with JWTs and with API keys by turns. Which comes first changes
// with each round.
func measureJWTs(ctx context.Context, r *runner, rounds int) (figures, error) {
	keys, jwts := &side{backend: usherPlain, id: "jwt-key"}, &side{backend: usherJWTs, id: "jwt"}
	sides := []*side{keys, jwts}
	for i := range rounds {
		for _, s := range sides {
			found, err := r.storm(ctx, s.backend, jwtClients, usherLimit)
			switch {
			case err != nil:
				return nil, fmt.Errorf("round %d: %w", i+1, err)
			case !found.recovered():
				return nil, fmt.Errorf("round %d: %s", i+1, found)
			}
			r.logf("  round %d of %d, %s: %s", i+1, rounds, s.id, found)
			s.elapsed, s.failed = append(s.elapsed, found.seconds()), append(s.failed, found.FailedAttempts)
			s.cpu = append(s.cpu, found.cpu.sum().Seconds())
		}
		slices.Reverse(sides)
	}
	all := figures{}
	for _, s := range sides {
		all.set(s.id+"-time", median, s.elapsed)
		all.set(s.id+"-failed", median, s.failed)
	}
	var err error
	for id, of := range map[string][2][]float64{"jwt-ratio": {jwts.elapsed, keys.elapsed}, "jwt-cpu": {jwts.cpu, keys.cpu}} {
		x, rerr := ratio(median(of[0]), median(of[1]))
		if rerr != nil {
			err = fmt.Errorf("%s: %w", id, rerr)
			continue
		}
		all[id] = figure{value: x}
	}
	return all, err
}
