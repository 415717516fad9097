package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// The load of the event gateway: supervisors that publish an event a second each.
const (
	supervisorClients  = 10_000
	supervisorRate     = 250 // that begin to connect per second
	supervisorDuration = 20 * time.Second
	supervisorTimeout  = 6 * time.Minute
)

func supervisorsStep() step {
	const what = "10,000 supervisors through the event gateway, "
	return step{
		part: "supervisors", name: "event gateway", needs: []program{usher, natsServer, supervisors}, run: measureSupervisors,
		rows: []row{
			{"supervisors-delivered", what + "share of events delivered", exactly(1), ""},
			{"supervisors-failed", what + "failed attempts to connect", exactly(0), ""},
			{"supervisors-lost", what + "lost connections", exactly(0), ""},
			{"supervisors-all-in", what + "time until all are in, to a static token", atMost(1.2), "×"},
			{"supervisors-ratio", what + "p99 of an event, to a static token", atMost(1.2), "×"},
			{"supervisors-p99", what + "p99 of an event", information(), "ms"},
			{"supervisors-external", what + "memory of the external server for each", information(), "KiB"},
			{"supervisors-internal", what + "memory of the internal server for each", information(), "KiB"},
			{"supervisors-usher", what + "memory of usher for each", information(), "KiB"},
			{"supervisors-static", what + "memory of the external server for each, with a static token", information(), "KiB"},
		},
	}
}

// supervisorLoad has the fields of the output of scripts/bench/supervisors that the bench
// uses.
type supervisorLoad struct {
	Failed    float64   `json:"failed_attempts"`
	AllInMS   float64   `json:"all_in_ms"`
	Lost      float64   `json:"lost_connections"`
	Published float64   `json:"published"`
	Delivered float64   `json:"delivered"`
	P99MS     float64   `json:"p99_ms"`
	Memory    []float64 `json:"memory_bytes"` // of the external server, the internal one, usher
}

// measureSupervisors measures the event gateway with usher, and with a static token in
// place of auth callout.
func measureSupervisors(ctx context.Context, r *runner) (figures, error) {
	withToken, err := r.supervisors(ctx, natsServer)
	if err != nil {
		return nil, fmt.Errorf("static token: %w", err)
	}
	withUsher, err := r.supervisors(ctx, usher)
	if err != nil {
		return nil, fmt.Errorf("usher: %w", err)
	}
	const kib = 1024
	all := figures{
		"supervisors-delivered": {value: withUsher.Delivered / withUsher.Published},
		"supervisors-failed":    {value: withUsher.Failed},
		"supervisors-lost":      {value: withUsher.Lost},
		"supervisors-p99":       {value: withUsher.P99MS},
		"supervisors-external":  {value: withUsher.Memory[0] / kib},
		"supervisors-internal":  {value: withUsher.Memory[1] / kib},
		"supervisors-usher":     {value: withUsher.Memory[2] / kib},
		"supervisors-static":    {value: withToken.Memory[0] / kib},
	}
	allIn, err := ratio(withUsher.AllInMS, withToken.AllInMS)
	if err != nil {
		return nil, err
	}
	p99, err := ratio(withUsher.P99MS, withToken.P99MS)
	if err != nil {
		return nil, err
	}
	all["supervisors-all-in"], all["supervisors-ratio"] = figure{value: allIn}, figure{value: p99}
	return all, nil
}

// supervisors runs the load once.
func (r *runner) supervisors(ctx context.Context, by program) (*supervisorLoad, error) {
	r.deployments++
	ctx, cancel := context.WithTimeout(ctx, supervisorTimeout)
	defer cancel()
	out, err := output(ctx, "", r.path(supervisors),
		"-usher", r.path(usher), "-nats-server", r.path(natsServer), "-dir", filepath.Join(r.dir, fmt.Sprintf("deployment-%d", r.deployments)),
		"-clients", strconv.Itoa(supervisorClients), "-rate", strconv.Itoa(supervisorRate), "-duration", supervisorDuration.String(),
		"-static="+strconv.FormatBool(by == natsServer))
	if err != nil {
		return nil, err
	}
	var found supervisorLoad
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("supervisors: %w", err)
	}
	if found.Published == 0 || len(found.Memory) < 2 {
		return nil, errors.New("supervisors: nothing was measured")
	}
	r.logf("  %s: all in after %.1f s, %.0f events, p99 %.2f ms", by, found.AllInMS/1000, found.Published, found.P99MS)
	return &found, nil
}
