package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// How long a storm may take until it counts as not recovered.
const (
	usherLimit     = 30 * time.Second
	referenceLimit = 20 * time.Second
	// How much longer its process may take.
	stormGrace = 20 * time.Second
)

// storm has the fields of "usher bench storm --json" that the bench uses.
type storm struct {
	Clients        int     `json:"clients"`
	Connected      int     `json:"connected"`
	ElapsedMS      float64 `json:"elapsed_ms"`
	BeginLagMS     float64 `json:"begin_lag_ms"`
	FailedAttempts float64 `json:"failed_attempts"`

	cpu cpuTimes
}

// cpuTimes are the CPU times of a storm's processes, without those of their start and of
// their end.
type cpuTimes struct{ server, service, clients time.Duration }

func (c cpuTimes) sum() time.Duration { return c.server + c.service + c.clients }

func (c cpuTimes) minus(d cpuTimes) cpuTimes {
	return cpuTimes{max(0, c.server-d.server), max(0, c.service-d.service), max(0, c.clients-d.clients)}
}

func (s *storm) recovered() bool { return s.Clients > 0 && s.Connected == s.Clients }

func (s *storm) seconds() float64 { return s.ElapsedMS / 1000 }

func (s *storm) failedPerClient() float64 { return s.FailedAttempts / float64(s.Clients) }

func (s *storm) String() string {
	text := ""
	if !s.recovered() {
		text = fmt.Sprintf("not recovered, %d of %d connected in ", s.Connected, s.Clients)
	}
	return text + fmt.Sprintf("%.2f s, %.0f failed attempts, last began after %.2f s, CPU %.2f s server, %.2f s service, %.2f s clients",
		s.seconds(), s.FailedAttempts, s.BeginLagMS/1000, s.cpu.server.Seconds(), s.cpu.service.Seconds(), s.cpu.clients.Seconds())
}

// storm runs a storm against a new deployment. It ends when all clients are connected, or
// after the limit.
func (r *runner) storm(ctx context.Context, b backend, clients int, limit time.Duration) (*storm, error) {
	idle, err := r.idleCPU(ctx, b)
	if err != nil {
		return nil, err
	}
	d, err := r.deploy(ctx, b)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	found, err := r.stormOn(ctx, d, clients, limit)
	if err != nil {
		return nil, err
	}
	found.cpu = found.cpu.minus(idle)
	return found, nil
}

// stormOn runs a storm. When its figures are known it kills all processes at once, before
// the clients disconnect: that is not part of a storm, and costs about a tenth of it.
func (r *runner) stormOn(ctx context.Context, d *deployment, clients int, limit time.Duration) (*storm, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+stormGrace)
	defer cancel()
	cmd := command(ctx, r.path(usher), "bench", "storm", "-s", "nats://"+d.listen, "--token-file", d.tokenFile,
		"--clients", strconv.Itoa(clients), "--duration", limit.String(), "--json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var found storm
	err = json.NewDecoder(stdout).Decode(&found)
	d.kill()
	_ = cmd.Process.Kill() // it may have ended already
	_ = cmd.Wait()         // killed
	found.cpu = d.cpu()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("usher bench storm: %w%s", err, excerpt(stderr.String()))
	case found.Clients != clients:
		return nil, errors.New("usher bench storm: no result")
	}
	found.cpu.clients = cpuTime(cmd)
	return &found, nil
}

// idleCPU returns the CPU times of processes that only start, measured once for each
// backend.
func (r *runner) idleCPU(ctx context.Context, b backend) (cpuTimes, error) {
	if idle, ok := r.idle[b]; ok {
		return idle, nil
	}
	d, err := r.deploy(ctx, b)
	if err != nil {
		return cpuTimes{}, err
	}
	defer d.stop()
	d.kill()
	idle := d.cpu()
	cmd := command(ctx, r.path(usher), "version")
	if err := cmd.Run(); err != nil {
		return cpuTimes{}, fmt.Errorf("usher version: %w", err)
	}
	idle.clients = cpuTime(cmd)
	if r.idle == nil {
		r.idle = map[backend]cpuTimes{}
	}
	r.idle[b] = idle
	return idle, nil
}
