package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"usher/app/setup"
)

// The load of the event gateway: supervisors that publish an event a second each.
const (
	supervisorClients  = 10_000
	supervisorRate     = 400 // that begin to connect per second
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
	d := &deployment{dir: filepath.Join(r.dir, fmt.Sprintf("deployment-%d", r.deployments))}
	defer func() { d.stop() }()
	internal, err := r.setUpEventGateway(ctx, d, by)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, supervisorTimeout)
	defer cancel()
	var pids []string
	for _, p := range d.processes {
		pids = append(pids, strconv.Itoa(p.pid))
	}
	out, err := output(ctx, "", r.path(supervisors),
		"-external", d.listen, "-internal", internal, "-ca", d.path(setup.FileCA),
		"-cert", d.path(setup.CertFile(setup.ServiceApplications)), "-key", d.path(setup.KeyFile(setup.ServiceApplications)),
		"-token-file", d.tokenFile, "-clients", strconv.Itoa(supervisorClients), "-rate", strconv.Itoa(supervisorRate),
		"-duration", supervisorDuration.String(), "-memory", strings.Join(pids, ","))
	if err != nil {
		return nil, err
	}
	var found supervisorLoad
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("supervisors: %w", err)
	}
	if found.Published == 0 || len(found.Memory) < len(d.processes) {
		return nil, errors.New("supervisors: nothing was measured")
	}
	r.logf("  %s: all in after %.1f s, %.0f events, p99 %.2f ms", by, found.AllInMS/1000, found.Published, found.P99MS)
	return &found, nil
}

// setUpEventGateway starts an event gateway and returns the address of its internal server.
func (r *runner) setUpEventGateway(ctx context.Context, d *deployment, by program) (internal string, err error) {
	addresses, err := freeAddresses(ctx, 5)
	if err != nil {
		return "", err
	}
	d.listen, d.httpAddr = addresses[0], addresses[1]
	g := setup.EventGateway{
		Options: setup.Options{
			Dir: d.dir, Listen: d.listen, Random: rand.Reader, Now: time.Now(),
			Config: map[string]string{"http.listen": d.httpAddr},
		},
		Hosts: []string{"localhost", "127.0.0.1"}, Internal: addresses[2],
	}
	g.GatewayOf.External, g.GatewayOf.Internal = addresses[3], addresses[4]
	if _, err := setup.WriteEventGateway(&g); err != nil {
		return "", err
	}
	program, err := r.program(usher)
	if err != nil {
		return "", err
	}
	if err := d.createSupervisor(ctx, program); err != nil {
		return "", err
	}
	if by == natsServer {
		if err := d.useStaticToken(); err != nil {
			return "", err
		}
	}
	for _, s := range []struct{ file, listen string }{{setup.FileExternal, d.listen}, {setup.FileInternal, g.Internal}} {
		if err := r.start(ctx, d, natsServer, []string{"-c", d.path(s.file)}, listens(s.listen)); err != nil {
			return "", err
		}
	}
	if by == usher {
		return g.Internal, r.startUsher(ctx, d)
	}
	return g.Internal, nil
}

// createSupervisor creates the user of the supervisors and its key.
func (d *deployment) createSupervisor(ctx context.Context, program string) error {
	out, err := output(ctx, "", program, "apikey", "new", "--user", "habitat", "--json")
	if err != nil {
		return err
	}
	var created struct{ Key, Digest string }
	if err := json.Unmarshal(out, &created); err != nil {
		return fmt.Errorf("usher apikey new: %w", err)
	}
	d.key, d.tokenFile = created.Key, d.path("tokens")
	return errors.Join(
		d.write("tokens", created.Key+"\n"),
		d.write(setup.FileDirectory, fmt.Sprintf("users:\n  - name: habitat\n    service_roles: [ingest]\n    keys: [{digest: %q}]\nprojects: []\n", created.Digest)),
	)
}

// useStaticToken replaces accounts and auth callout of both servers: supervisors have one
// token, and all are in one account.
func (d *deployment) useStaticToken() error {
	replace := func(file, users string) error {
		text, err := os.ReadFile(d.path(file)) //nolint:gosec // a file of the temporary directory
		if err != nil {
			return err
		}
		from := strings.Index(string(text), "\naccounts {")
		to := strings.Index(string(text), "\ngateway {")
		if from < 0 || to < from {
			return fmt.Errorf("%s: no accounts before a gateway", file)
		}
		return d.write(file, string(text[:from])+"\nauthorization { "+users+" }\n"+string(text[to:]))
	}
	return errors.Join(
		replace(setup.FileExternal, fmt.Sprintf("token: %q, timeout: 3", d.key)),
		replace(setup.FileInternal, fmt.Sprintf("users: [ { user: %q } ]", setup.ServiceApplications)),
	)
}

// listens returns a probe for an address.
func listens(address string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
}
