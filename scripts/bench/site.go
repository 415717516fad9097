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
	"strings"

	"usher/app/setup"
)

// kind says who decides about connections.
type kind int

const (
	staticToken kind = iota // the server alone
	usherPlain
	usherSealed
	referencePlain
)

// site is a nats-server of its own, and the service behind it.
type site struct {
	dir       string
	listen    string // nats-server's
	web       string // usher's metrics and probes
	key       string // that clients present
	tokenFile string
	processes []*process
}

// stop ends the service, then the server.
func (s *site) stop() {
	for i := len(s.processes) - 1; i >= 0; i-- {
		s.processes[i].stop()
	}
}

// site starts one in a fresh directory.
func (r *runner) site(ctx context.Context, k kind) (*site, error) {
	r.sites++
	s := &site{dir: filepath.Join(r.dir, fmt.Sprintf("site-%d", r.sites))}
	if err := r.furnish(ctx, s, k); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (r *runner) furnish(ctx context.Context, s *site, k kind) error {
	addresses, err := freeAddresses(ctx, 2)
	if err != nil {
		return err
	}
	s.listen, s.web = addresses[0], addresses[1]
	program, err := r.program(usher)
	if err != nil {
		return err
	}
	if _, err := output(ctx, "", program, "init", "--listen", s.listen, "--http", s.web, s.dir); err != nil {
		return err
	}
	if err := s.makeUser(ctx, program); err != nil {
		return err
	}
	switch k {
	case staticToken:
		err = s.write(setup.FileServerConfig, fmt.Sprintf("listen: %q\nauthorization { token: %q, timeout: 3 }\n", s.listen, s.key))
	case usherPlain, referencePlain:
		err = s.unseal()
	case usherSealed:
	}
	if err != nil {
		return err
	}
	if err := r.startServer(ctx, s); err != nil {
		return err
	}
	switch k {
	case usherPlain, usherSealed:
		return r.startUsher(ctx, s)
	case referencePlain:
		return r.startReference(ctx, s)
	case staticToken:
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

// makeUser makes the one user and its API key.
func (s *site) makeUser(ctx context.Context, program string) error {
	out, err := output(ctx, "", program, "apikey", "new", "--user", "alice", "--json")
	if err != nil {
		return err
	}
	var made struct{ Key, Digest string }
	if err := json.Unmarshal(out, &made); err != nil {
		return fmt.Errorf("usher apikey new: %w", err)
	}
	var topics []string
	for i := range 9 {
		topics = append(topics, fmt.Sprintf("{name: t%d, acl: [alice]}", i))
	}
	s.key, s.tokenFile = made.Key, s.path("tokens")
	return errors.Join(
		s.write("tokens", made.Key+"\n"),
		s.write(setup.FileDirectory, fmt.Sprintf(directoryText, made.Digest, setup.AccountApp, strings.Join(topics, ", "))),
	)
}

var xkeyLine = regexp.MustCompile(`(?m)^ *xkey: .*\n`) //nolint:gochecknoglobals // a parsed constant

// unseal takes the xkey away on both sides: requests are in the clear then.
func (s *site) unseal() error {
	path := s.path(setup.FileServerConfig)
	text, err := os.ReadFile(path) //nolint:gosec // a file of the temporary directory
	if err != nil {
		return err
	}
	if n := len(xkeyLine.FindAll(text, -1)); n != 1 {
		return fmt.Errorf("%s has %d lines of xkey, not 1", path, n)
	}
	return errors.Join(
		s.write(setup.FileServerConfig, string(xkeyLine.ReplaceAll(text, nil))),
		os.Remove(s.path(setup.FileXKey)),
	)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) write(name, text string) error {
	return os.WriteFile(s.path(name), []byte(text), 0o600) //nolint:gosec // a file of the temporary directory
}

func (r *runner) startServer(ctx context.Context, s *site) error {
	return r.start(ctx, s, natsServer, []string{"-c", s.path(setup.FileServerConfig)}, func(ctx context.Context) bool {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.listen)
		if err != nil {
			return false
		}
		defer conn.Close() //nolint:errcheck // it was only to look
		var first [4]byte
		_, err = io.ReadFull(conn, first[:])
		return err == nil && string(first[:]) == "INFO"
	})
}

func (r *runner) startUsher(ctx context.Context, s *site) error {
	return r.start(ctx, s, usher, []string{"serve", "-c", s.path(setup.FileConfig)}, func(ctx context.Context) bool {
		_, err := s.get(ctx, "/readyz")
		return err == nil
	})
}

func (r *runner) startReference(ctx context.Context, s *site) error {
	log := s.path(string(reference) + ".log")
	return r.start(ctx, s, reference, []string{
		"-server", "nats://" + s.listen, "-user", setup.ServiceUser, "-password-file", s.path(setup.FilePassword),
		"-issuer-file", s.path(setup.FileIssuer), "-account", setup.AccountApp,
	}, func(context.Context) bool {
		text, err := os.ReadFile(log) //nolint:gosec // a file of the temporary directory
		return err == nil && strings.Contains(string(text), "ready")
	})
}

// start starts a program of a site and waits until it is ready.
func (r *runner) start(ctx context.Context, s *site, p program, args []string, probe func(context.Context) bool) error {
	path, err := r.program(p)
	if err != nil {
		return err
	}
	started, err := start(ctx, s.path(string(p)+".log"), path, args...)
	if err != nil {
		return err
	}
	s.processes = append(s.processes, started)
	return started.ready(ctx, probe)
}

// get asks usher's web server.
func (s *site) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.web+path, nil)
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

// freeAddresses returns addresses of this machine where nobody listens.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() //nolint:errcheck // held until all are found, so that they differ
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
