package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"usher/app/setup"
)

// backend is what authorizes connections.
type backend struct {
	program     program // natsServer: a static token, no auth callout; nobody: an auth callout without a service
	sealed      bool    // requests and answers
	connections int     // of the reference
	jwts        bool    // clients present JWTs instead of an API key
}

var (
	staticToken    = backend{program: natsServer}
	usherPlain     = backend{program: usher}
	referencePlain = backend{program: reference, connections: 1}
)

// deployment is a nats-server and the auth callout service behind it.
type deployment struct {
	dir       string
	listen    string // address of nats-server
	httpAddr  string // address of usher's metrics and probes
	key       string // API key that clients present
	tokenFile string
	processes []*process // the server, then the service
}

// kill kills the server and the service at once.
func (d *deployment) kill() {
	for _, p := range d.processes {
		p.kill()
	}
}

// cpu returns the CPU times of the server and of the service, once they have ended.
func (d *deployment) cpu() (c cpuTimes) {
	c.server = d.processes[0].cpu()
	if len(d.processes) > 1 {
		c.service = d.processes[1].cpu()
	}
	return c
}

// stop stops the service, then the server.
func (d *deployment) stop() {
	for i := len(d.processes) - 1; i >= 0; i-- {
		d.processes[i].stop()
	}
}

// deploy starts a deployment in a new directory.
func (r *runner) deploy(ctx context.Context, b backend) (*deployment, error) {
	r.deployments++
	d := &deployment{dir: filepath.Join(r.dir, fmt.Sprintf("deployment-%d", r.deployments))}
	if err := r.setUp(ctx, d, b); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// setUp writes the files of a deployment and starts its processes.
func (r *runner) setUp(ctx context.Context, d *deployment, b backend) error {
	addresses, err := freeAddresses(ctx, 2)
	if err != nil {
		return err
	}
	d.listen, d.httpAddr = addresses[0], addresses[1]
	program, err := r.program(usher)
	if err != nil {
		return err
	}
	if _, err := output(ctx, "", program, "init", "--listen", d.listen, "--http", d.httpAddr, d.dir); err != nil {
		return err
	}
	if err := d.createUser(ctx, program); err != nil {
		return err
	}
	if b.jwts {
		if err := r.presentJWTs(d); err != nil {
			return err
		}
	}
	switch {
	case b.program == natsServer:
		err = d.write(setup.FileServerConfig, fmt.Sprintf("listen: %q\nauthorization { token: %q, timeout: 3 }\n", d.listen, d.key))
	case !b.sealed:
		err = d.removeXKey()
	}
	if err != nil {
		return err
	}
	if err := r.startServer(ctx, d); err != nil {
		return err
	}
	switch b.program {
	case usher:
		return r.startUsher(ctx, d)
	case reference:
		return r.startReference(ctx, d, b)
	case nobody, natsServer, calloutTest, directoryTest, kvTest, oidcTest, nkeyTest, natsJWTTest, sessionsTest, storeTest, messagesTest, pushTest, supervisors:
	}
	return nil
}

// directoryText has one user, whose grant has 10 subjects: 9 topics and the inbox.
const directoryText = `users:
  - name: alice
    keys:
      - digest: %s
projects:
  - name: shop
    account: %s
    members: [{user: alice, roles: [publisher]}]
    topics: [%s]
`

// createUser creates the one user and its API key.
func (d *deployment) createUser(ctx context.Context, program string) error {
	out, err := output(ctx, "", program, "apikey", "new", "--user", "alice", "--json")
	if err != nil {
		return err
	}
	var created struct{ Key, Digest string }
	if err := json.Unmarshal(out, &created); err != nil {
		return fmt.Errorf("usher apikey new: %w", err)
	}
	var topics []string
	for i := range 9 {
		topics = append(topics, fmt.Sprintf("{name: t%d, acl: [alice]}", i))
	}
	d.key, d.tokenFile = created.Key, d.path("tokens")
	return errors.Join(
		d.write("tokens", created.Key+"\n"),
		d.write(setup.FileDirectory, fmt.Sprintf(directoryText, created.Digest, setup.AccountApp, strings.Join(topics, ", "))),
	)
}

var xkeyLine = regexp.MustCompile(`(?m)^ *xkey: .*\n`) //nolint:gochecknoglobals // a parsed constant

// removeXKey removes the xkey of nats-server and of usher, so requests are not encrypted.
func (d *deployment) removeXKey() error {
	path := d.path(setup.FileServerConfig)
	text, err := os.ReadFile(path) //nolint:gosec // a file of the temporary directory
	if err != nil {
		return err
	}
	if n := len(xkeyLine.FindAll(text, -1)); n != 1 {
		return fmt.Errorf("%s has %d xkey lines, want 1", path, n)
	}
	return errors.Join(
		d.write(setup.FileServerConfig, string(xkeyLine.ReplaceAll(text, nil))),
		os.Remove(d.path(setup.FileXKey)),
	)
}

func (d *deployment) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d *deployment) write(name, text string) error {
	return os.WriteFile(d.path(name), []byte(text), 0o600) //nolint:gosec // a file of the temporary directory
}

func (r *runner) startServer(ctx context.Context, d *deployment) error {
	return r.start(ctx, d, natsServer, []string{"-c", d.path(setup.FileServerConfig)}, func(ctx context.Context) bool {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.listen)
		if err != nil {
			return false
		}
		defer conn.Close() //nolint:errcheck // only the first bytes are needed
		var first [4]byte
		_, err = io.ReadFull(conn, first[:])
		return err == nil && string(first[:]) == "INFO"
	})
}

func (r *runner) startUsher(ctx context.Context, d *deployment) error {
	return r.start(ctx, d, usher, []string{"serve", "-c", d.path(setup.FileConfig)}, func(ctx context.Context) bool {
		_, err := d.get(ctx, "/readyz")
		return err == nil
	})
}

func (r *runner) startReference(ctx context.Context, d *deployment, b backend) error {
	log := d.path(string(reference) + ".log")
	args := []string{
		"-server", "nats://" + d.listen, "-user", setup.ServiceUser, "-password-file", d.path(setup.FilePassword),
		"-issuer-file", d.path(setup.FileIssuer), "-account", setup.AccountApp, "-connections", strconv.Itoa(b.connections),
	}
	if b.sealed {
		args = append(args, "-xkey-file", d.path(setup.FileXKey))
	}
	return r.start(ctx, d, reference, args, func(context.Context) bool {
		text, err := os.ReadFile(log) //nolint:gosec // a file of the temporary directory
		return err == nil && strings.Contains(string(text), "ready")
	})
}

// start starts a program of a deployment and waits until it is ready.
func (r *runner) start(ctx context.Context, d *deployment, p program, args []string, probe func(context.Context) bool) error {
	path, err := r.program(p)
	if err != nil {
		return err
	}
	started, err := start(ctx, d.path(string(p)+".log"), path, args...)
	if err != nil {
		return err
	}
	d.processes = append(d.processes, started)
	return started.ready(ctx, probe)
}

// get returns a page of usher's metrics and health endpoints.
func (d *deployment) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.httpAddr+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, res.Status)
	}
	return string(body), err
}

// freeAddresses returns loopback addresses with free ports.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() //nolint:errcheck // kept open until all are found, so that they differ
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
