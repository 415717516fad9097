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

// The steady load is a share of the maximum rate of the reference, which is slower than
// usher, and at most steadyRate.
const (
	steadyShare    = 0.3
	steadyRate     = 400
	steadyDuration = 6 * time.Second
	// A p99 is noisy, so its median needs more rounds than a storm.
	steadyRounds   = 5
	warmUpDuration = 2 * time.Second
	// Far above every possible rate, with so few connects in flight that none is delayed.
	calibrateRate     = 5000
	calibrateInFlight = 32
	calibrateDuration = 3 * time.Second
	steadyGrace       = 30 * time.Second
)

// load has the fields of "usher bench connect --json" that the bench uses.
type load struct {
	AchievedRate float64 `json:"achieved_rate"`
	Attempts     int64   `json:"attempts"`
	Connected    int64   `json:"connected"`
	ConnectMS    struct {
		P99 *float64 `json:"p99"`
	} `json:"connect_ms"`
}

func (l *load) failed() float64 { return float64(l.Attempts - l.Connected) }

// load connects to a deployment at a rate. Failed connects are not an error.
func (r *runner) load(ctx context.Context, d *deployment, rate float64, duration time.Duration, options ...string) (*load, error) {
	ctx, cancel := context.WithTimeout(ctx, duration+steadyGrace)
	defer cancel()
	args := []string{
		"bench", "connect", "-s", "nats://" + d.listen, "--token-file", d.tokenFile,
		"--rate", strconv.FormatFloat(rate, 'f', -1, 64), "--duration", duration.String(), "--json",
	}
	out, err := output(ctx, "", r.path(usher), append(args, options...)...)
	var found load
	if jerr := json.Unmarshal(out, &found); jerr != nil {
		return nil, errors.Join(err, fmt.Errorf("usher bench connect: %w", jerr))
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case found.Attempts == 0 || found.ConnectMS.P99 == nil:
		return nil, errors.Join(err, errors.New("usher bench connect: no client connected"))
	}
	return &found, nil
}

// measureSteady compares usher and the reference under the same light load, one after
// the other.
func measureSteady(ctx context.Context, r *runner) (figures, error) {
	withReference, err := r.deploy(ctx, referencePlain)
	if err != nil {
		return nil, err
	}
	defer withReference.stop()
	withUsher, err := r.deploy(ctx, usherPlain)
	if err != nil {
		return nil, err
	}
	defer withUsher.stop()
	calibration, err := r.load(ctx, withReference, calibrateRate, calibrateDuration, "--max-in-flight", strconv.Itoa(calibrateInFlight))
	if err != nil {
		return nil, err
	}
	rate := math.Ceil(min(calibration.AchievedRate*steadyShare, steadyRate))
	r.logf("  the reference handles %.0f connects per second; the load is %.0f", calibration.AchievedRate, rate)
	if _, err := r.load(ctx, withUsher, rate, warmUpDuration); err != nil {
		return nil, err
	}
	all := figures{"steady-rate": {value: rate}}
	return all, errors.Join(r.compare(ctx, all, withUsher, withReference, rate), r.countShed(ctx, all, withUsher))
}

// compare measures the rounds.
func (r *runner) compare(ctx context.Context, all figures, withUsher, withReference *deployment, rate float64) error {
	var ratios, usherP99s, referenceP99s, failed []float64
	rounds := steadyRounds
	if r.rounds == 1 {
		rounds = 1
	}
	for i := range rounds {
		referenceLoad, err := r.load(ctx, withReference, rate, steadyDuration)
		if err != nil {
			return fmt.Errorf("round %d, reference: %w", i+1, err)
		}
		usherLoad, err := r.load(ctx, withUsher, rate, steadyDuration)
		if err != nil {
			return fmt.Errorf("round %d, usher: %w", i+1, err)
		}
		x, err := ratio(*usherLoad.ConnectMS.P99, *referenceLoad.ConnectMS.P99)
		if err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		r.logf("  round %d of %d: p99 %.2f ms with the reference, %.2f ms with usher; %.0f and %.0f failed",
			i+1, rounds, *referenceLoad.ConnectMS.P99, *usherLoad.ConnectMS.P99, referenceLoad.failed(), usherLoad.failed())
		ratios, failed = append(ratios, x), append(failed, usherLoad.failed())
		usherP99s, referenceP99s = append(usherP99s, *usherLoad.ConnectMS.P99), append(referenceP99s, *referenceLoad.ConnectMS.P99)
	}
	all.set("steady-ratio", median, ratios)
	all.set("steady-usher", median, usherP99s)
	all.set("steady-reference", median, referenceP99s)
	all.set("steady-failed", sum, failed)
	return nil
}

// countShed reads the number of shed requests from usher's metrics.
func (r *runner) countShed(ctx context.Context, all figures, withUsher *deployment) error {
	text, err := withUsher.get(ctx, "/metrics")
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
