package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// stormDuration is the maximum duration of a storm, stormTimeout that of its process.
const (
	stormDuration = time.Minute
	stormTimeout  = stormDuration + 30*time.Second
)

// storm has the fields of "usher bench storm --json" that the bench uses.
type storm struct {
	Clients                 int     `json:"clients"`
	Connected               int     `json:"connected"`
	ElapsedMS               float64 `json:"elapsed_ms"`
	FailedAttempts          float64 `json:"failed_attempts"`
	FailedAttemptsPerClient float64 `json:"failed_attempts_per_client"`

	cpu time.Duration // of the service, with its start
}

func (s *storm) recovered() bool { return s.Clients > 0 && s.Connected == s.Clients }

func (s *storm) seconds() float64 { return s.ElapsedMS / 1000 }

func (s *storm) String() string {
	if !s.recovered() {
		return fmt.Sprintf("not recovered, %d of %d connected after %.1f s", s.Connected, s.Clients, s.seconds())
	}
	return fmt.Sprintf("%.1f s, %.2f failed attempts per client", s.seconds(), s.FailedAttemptsPerClient)
}

// storm runs a storm against a new deployment. If the storm does not recover, storm
// returns its figures and an error.
func (r *runner) storm(ctx context.Context, b backend, clients int) (*storm, error) {
	d, err := r.deploy(ctx, b)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	bounded, cancel := context.WithTimeout(ctx, stormTimeout)
	defer cancel()
	out, err := output(bounded, "", r.path(usher), "bench", "storm", "-s", "nats://"+d.listen, "--token-file", d.tokenFile,
		"--clients", strconv.Itoa(clients), "--duration", stormDuration.String(), "--json")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var found storm
	if jerr := json.Unmarshal(out, &found); jerr != nil {
		return nil, errors.Join(err, fmt.Errorf("usher bench storm: %w", jerr))
	}
	d.stop()
	found.cpu = d.cpu()
	if !found.recovered() {
		return &found, errors.New(found.String())
	}
	return &found, err
}

// measureStorm measures storms with usher, each relative to a storm with a static token
// right before it.
func measureStorm(ctx context.Context, r *runner, b backend, clients, rounds int) (figures, error) {
	var ratios, statics, elapsed, attempts []float64
	var errs []error
	recovered := 0
	for i := range rounds {
		static, staticErr := r.storm(ctx, staticToken, clients)
		if staticErr != nil {
			errs = append(errs, fmt.Errorf("round %d, static token: %w", i+1, staticErr))
		} else {
			r.logf("  round %d of %d, static token: %s", i+1, rounds, static)
			statics = append(statics, static.seconds())
		}
		found, err := r.storm(ctx, b, clients)
		if found != nil {
			r.logf("  round %d of %d, usher: %s", i+1, rounds, found)
			attempts = append(attempts, found.FailedAttemptsPerClient)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("round %d, usher: %w", i+1, err))
			continue
		}
		recovered++
		elapsed = append(elapsed, found.seconds())
		if staticErr == nil {
			x, err := ratio(found.ElapsedMS, static.ElapsedMS)
			ratios, errs = append(ratios, x), append(errs, err)
		}
	}
	all := figures{"recovered": {value: float64(recovered)}}
	if len(ratios) == rounds { // otherwise the worst ratio is unknown
		all.set("ratio", worst, ratios)
	}
	all.set("static", median, statics)
	all.set("elapsed", median, elapsed)
	all.set("attempts", worst, attempts)
	return all, errors.Join(errs...)
}

// measureRecovery measures whether usher recovers from storms, however long it takes.
func measureRecovery(ctx context.Context, r *runner, clients int) (figures, error) {
	var elapsed, attempts []float64
	var errs []error
	recovered := 0
	for i := range r.rounds {
		found, err := r.storm(ctx, usherPlain, clients)
		if found != nil {
			r.logf("  round %d of %d: %s", i+1, r.rounds, found)
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
