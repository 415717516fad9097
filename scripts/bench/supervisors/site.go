package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/app/setup"
)

const (
	readyTimeout = 30 * time.Second
	stopTimeout  = 12 * time.Second
)

// site is an event gateway that runs: the external server, the internal one and, unless
// supervisors have a static token, usher.
type site struct {
	dir                string
	external, internal string // HOST:PORT
	web                string // of usher
	processes          []*exec.Cmd
	stop               context.CancelFunc
}

// startSite starts an event gateway with files of its own in dir.
func startSite(ctx context.Context, o *options) (*site, error) {
	addresses, err := freeAddresses(ctx, 5)
	if err != nil {
		return nil, err
	}
	s := &site{dir: o.dir, external: addresses[0], internal: addresses[1], web: addresses[2]}
	g := setup.EventGateway{
		Options: setup.Options{
			Dir: s.dir, Listen: s.external, Random: rand.Reader, Now: time.Now(),
			Config: map[string]string{"http.listen": s.web, "api.listen": ""},
		},
		Hosts: []string{"localhost", "127.0.0.1"}, Internal: s.internal,
	}
	g.GatewayOf.External, g.GatewayOf.Internal = addresses[3], addresses[4]
	if _, err := setup.WriteEventGateway(&g); err != nil {
		return nil, err
	}
	if err := s.createUser(ctx, o.usher); err != nil {
		return nil, err
	}
	if o.static {
		if err := s.useStaticToken(); err != nil {
			return nil, err
		}
	}
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.startAll(ctx, o); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) startAll(ctx context.Context, o *options) error {
	if err := s.start(ctx, o.server, []string{"-c", s.path(setup.FileExternal)}, listens(s.external)); err != nil {
		return err
	}
	if err := s.start(ctx, o.server, []string{"-c", s.path(setup.FileInternal)}, listens(s.internal)); err != nil {
		return err
	}
	if o.static {
		return nil
	}
	return s.start(ctx, o.usher, []string{"serve", "-c", s.path(setup.FileConfig)}, s.ready)
}

// close stops all processes and waits for them.
func (s *site) close() {
	s.stop()
	for _, p := range s.processes {
		_ = p.Wait() // the exit code after SIGTERM does not matter
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) write(name, text string) error {
	return os.WriteFile(s.path(name), []byte(text), 0o600) //nolint:gosec // a file of the temporary directory
}

// start starts a program and waits until it is ready.
func (s *site) start(ctx context.Context, program string, args []string, probe func(context.Context) bool) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs are those that the bench has built
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, cmd)
	return waitFor(ctx, readyTimeout, func() bool { return probe(ctx) })
}

// tokenFile is the file with the token of the supervisors.
func (s *site) tokenFile() string { return s.path("token") }

// createUser creates the user of the supervisors and its key.
func (s *site) createUser(ctx context.Context, usher string) error {
	out, err := exec.CommandContext(ctx, usher, "apikey", "new", "--user", "habitat", "--json").Output()
	if err != nil {
		return fmt.Errorf("usher apikey new: %w", err)
	}
	var created struct{ Key, Digest string }
	if err := json.Unmarshal(out, &created); err != nil {
		return fmt.Errorf("usher apikey new: %w", err)
	}
	return errors.Join(
		s.write("token", created.Key),
		s.write(setup.FileDirectory, fmt.Sprintf("users:\n  - name: habitat\n    service_roles: [ingest]\n    keys: [{digest: %q}]\nprojects: []\n", created.Digest)),
	)
}

// useStaticToken replaces accounts and auth callout of both servers: supervisors have one
// token, and all are in one account.
func (s *site) useStaticToken() error {
	replace := func(file, users string) error {
		text, err := os.ReadFile(s.path(file))
		if err != nil {
			return err
		}
		from := strings.Index(string(text), "\naccounts {")
		to := strings.Index(string(text), "\ngateway {")
		if from < 0 || to < from {
			return fmt.Errorf("%s: no accounts before a gateway", file)
		}
		return s.write(file, string(text[:from])+"\nauthorization { "+users+" }\n"+string(text[to:]))
	}
	token, err := os.ReadFile(s.tokenFile())
	if err != nil {
		return err
	}
	return errors.Join(
		replace(setup.FileExternal, fmt.Sprintf("token: %q, timeout: 3", token)),
		replace(setup.FileInternal, fmt.Sprintf("users: [ { user: %q } ]", setup.ServiceApplications)),
	)
}

// ready asks usher whether it is ready.
func (s *site) ready(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.web+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// listens returns a probe for an address.
func listens(address string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		return err == nil && conn.Close() == nil
	}
}

// freeAddresses returns loopback addresses with free ports.
func freeAddresses(ctx context.Context, n int) (all []string, err error) {
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // kept open until all are found, so that they differ
		all = append(all, l.Addr().String())
	}
	return all, nil
}

// memory returns the resident memory of each process in bytes, which Linux tells.
func (s *site) memory() (all []float64, err error) {
	for _, p := range s.processes {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/status")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if after, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(after), " kB"), 64)
				if err != nil {
					return nil, err
				}
				all = append(all, kib*1024)
			}
		}
	}
	return all, nil
}
