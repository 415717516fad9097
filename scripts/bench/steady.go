package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// The steady load: a share of what the reference, which is the slower one, can
// do, and no more than the rate.
const (
	steadyShare = 0.3
	steadyRate  = 400
	steadyFor   = 6 * time.Second
	// The p99 is noisy: its median needs more rounds than a storm.
	steadyRounds = 5
	warmUpFor    = 2 * time.Second
	// Far above what is possible, with so few under way that nobody falls behind.
	calibrateRate     = 5000
	calibrateInFlight = 32
	calibrateFor      = 3 * time.Second
	steadyEnds        = 30 * time.Second
)

// load is what "usher bench connect --json" says, as far as it is looked at.
type load struct {
	AchievedRate float64 `json:"achieved_rate"`
	Attempts     int64   `json:"attempts"`
	Connected    int64   `json:"connected"`
	ConnectMS    struct {
		P99 *float64 `json:"p99"`
	} `json:"connect_ms"`
}

func (l *load) failed() float64 { return float64(l.Attempts - l.Connected) }

// load connects to a site at a rate. Failed connects are no error.
func (r *runner) load(ctx context.Context, s *site, rate float64, duration time.Duration, more ...string) (*load, error) {
	ctx, cancel := context.WithTimeout(ctx, duration+steadyEnds)
	defer cancel()
	args := []string{
		"bench", "connect", "-s", "nats://" + s.listen, "--token-file", s.tokenFile,
		"--rate", strconv.FormatFloat(rate, 'f', -1, 64), "--duration", duration.String(), "--json",
	}
	out, err := output(ctx, "", r.path(usher), append(args, more...)...)
	var found load
	if jerr := json.Unmarshal(out, &found); jerr != nil {
		return nil, errors.Join(err, fmt.Errorf("usher bench connect: %w", jerr))
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case found.Attempts == 0 || found.ConnectMS.P99 == nil:
		return nil, errors.Join(err, errors.New("usher bench connect: nobody came in"))
	}
	return &found, nil
}

// measureSteady compares usher and the reference under the same light load, in turn.
func measureSteady(ctx context.Context, r *runner) (figures, error) {
	other, err := r.site(ctx, referencePlain)
	if err != nil {
		return nil, err
	}
	defer other.stop()
	own, err := r.site(ctx, usherPlain)
	if err != nil {
		return nil, err
	}
	defer own.stop()
	calibration, err := r.load(ctx, other, calibrateRate, calibrateFor, "--max-in-flight", strconv.Itoa(calibrateInFlight))
	if err != nil {
		return nil, err
	}
	rate := math.Ceil(min(calibration.AchievedRate*steadyShare, steadyRate))
	r.say("  the reference does %.0f connects a second; the load is %.0f", calibration.AchievedRate, rate)
	if _, err := r.load(ctx, own, rate, warmUpFor); err != nil {
		return nil, err
	}
	all := figures{"steady-rate": {value: rate}}
	return all, errors.Join(r.compare(ctx, all, own, other, rate), r.countShed(ctx, all, own))
}

// compare measures the rounds.
func (r *runner) compare(ctx context.Context, all figures, own, other *site, rate float64) error {
	var ratios, owns, others, failed []float64
	rounds := steadyRounds
	if r.rounds == 1 {
		rounds = 1
	}
	for i := range rounds {
		theirs, err := r.load(ctx, other, rate, steadyFor)
		if err != nil {
			return fmt.Errorf("round %d, reference: %w", i+1, err)
		}
		ours, err := r.load(ctx, own, rate, steadyFor)
		if err != nil {
			return fmt.Errorf("round %d, usher: %w", i+1, err)
		}
		x, err := ratio(*ours.ConnectMS.P99, *theirs.ConnectMS.P99)
		if err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		r.say("  round %d of %d: p99 %.2f ms with the reference, %.2f ms with usher; %.0f and %.0f failed",
			i+1, rounds, *theirs.ConnectMS.P99, *ours.ConnectMS.P99, theirs.failed(), ours.failed())
		ratios, failed = append(ratios, x), append(failed, ours.failed())
		owns, others = append(owns, *ours.ConnectMS.P99), append(others, *theirs.ConnectMS.P99)
	}
	all.set("steady-ratio", median, ratios)
	all.set("steady-usher", median, owns)
	all.set("steady-reference", median, others)
	all.set("steady-failed", sum, failed)
	return nil
}

// countShed asks usher itself.
func (r *runner) countShed(ctx context.Context, all figures, own *site) error {
	text, err := own.get(ctx, "/metrics")
	if err != nil {
		return err
	}
	shed, err := requests(text, "shed")
	if err != nil {
		return err
	}
	all["steady-shed"] = figure{value: shed}
	return nil
}
