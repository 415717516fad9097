package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// stormIn is how long a storm may take, and stormsEnd when its process is ended.
const (
	stormIn   = time.Minute
	stormsEnd = stormIn + 30*time.Second
)

// storm is what "usher bench storm --json" says, as far as it is looked at.
type storm struct {
	Clients                 int     `json:"clients"`
	Connected               int     `json:"connected"`
	ElapsedMS               float64 `json:"elapsed_ms"`
	FailedAttemptsPerClient float64 `json:"failed_attempts_per_client"`
}

func (s *storm) recovered() bool { return s.Clients > 0 && s.Connected == s.Clients }

func (s *storm) seconds() float64 { return s.ElapsedMS / 1000 }

func (s *storm) String() string {
	if !s.recovered() {
		return fmt.Sprintf("not recovered, %d of %d are in after %.1f s", s.Connected, s.Clients, s.seconds())
	}
	return fmt.Sprintf("%.1f s, %.2f failed attempts a client", s.seconds(), s.FailedAttemptsPerClient)
}

// storm lets one loose on a fresh site. One that does not recover is an error,
// with its figures.
func (r *runner) storm(ctx context.Context, k kind, clients int) (*storm, error) {
	s, err := r.site(ctx, k)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	bounded, cancel := context.WithTimeout(ctx, stormsEnd)
	defer cancel()
	out, err := output(bounded, "", r.path(usher), "bench", "storm", "-s", "nats://"+s.listen, "--token-file", s.tokenFile,
		"--clients", strconv.Itoa(clients), "--duration", stormIn.String(), "--json")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var found storm
	if jerr := json.Unmarshal(out, &found); jerr != nil {
		return nil, errors.Join(err, fmt.Errorf("usher bench storm: %w", jerr))
	}
	if !found.recovered() {
		return &found, errors.New(found.String())
	}
	return &found, err
}

// measureStorm measures storms of usher, each to one on a static token just before.
func measureStorm(ctx context.Context, r *runner, k kind, clients, rounds int) (figures, error) {
	var ratios, statics, elapsed, attempts []float64
	var errs []error
	recovered := 0
	for i := range rounds {
		static, serr := r.storm(ctx, staticToken, clients)
		if serr != nil {
			errs = append(errs, fmt.Errorf("round %d, static token: %w", i+1, serr))
		} else {
			r.say("  round %d of %d, static token: %s", i+1, rounds, static)
			statics = append(statics, static.seconds())
		}
		found, err := r.storm(ctx, k, clients)
		if found != nil {
			r.say("  round %d of %d, usher: %s", i+1, rounds, found)
			attempts = append(attempts, found.FailedAttemptsPerClient)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("round %d, usher: %w", i+1, err))
			continue
		}
		recovered++
		elapsed = append(elapsed, found.seconds())
		if serr == nil {
			x, err := ratio(found.ElapsedMS, static.ElapsedMS)
			ratios, errs = append(ratios, x), append(errs, err)
		}
	}
	all := figures{"recovered": {value: float64(recovered)}}
	if len(ratios) == rounds { // otherwise the worst is not known
		all.set("ratio", worst, ratios)
	}
	all.set("static", median, statics)
	all.set("elapsed", median, elapsed)
	all.set("attempts", worst, attempts)
	return all, errors.Join(errs...)
}

// measureRecovery measures storms that usher has to survive, however long it takes.
func measureRecovery(ctx context.Context, r *runner, clients int) (figures, error) {
	var elapsed, attempts []float64
	var errs []error
	recovered := 0
	for i := range r.rounds {
		found, err := r.storm(ctx, usherPlain, clients)
		if found != nil {
			r.say("  round %d of %d: %s", i+1, r.rounds, found)
			attempts = append(attempts, found.FailedAttemptsPerClient)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("round %d: %w", i+1, err))
			continue
		}
		recovered++
		elapsed = append(elapsed, found.seconds())
	}
	all := figures{"large-recovered": {value: float64(recovered)}}
	all.set("large-attempts", worst, attempts)
	all.set("large-elapsed", median, elapsed)
	return all, errors.Join(errs...)
}
