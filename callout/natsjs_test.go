package callout_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"usher/app/sessions"
	"usher/callout/callouttest"
	"usher/internal/needs"
)

// natsJS is a process with a client of nats.js.
type natsJS struct {
	input io.Writer

	mu     sync.Mutex
	events []string // lines that it printed
}

// startNatsJS installs nats.js, and runs testdata/natsjs/client.mjs until the test ends.
func startNatsJS(t *testing.T, url, token string) *natsJS {
	t.Helper()
	dir := t.TempDir()
	const source = "../testdata/natsjs"
	callouttest.Must(t, os.CopyFS(dir, os.DirFS(source)))
	install := needs.Program(t, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		needs.Missing(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	p := needs.Program(t, "node", filepath.Join(dir, "client.mjs"), url, token)
	c := &natsJS{}
	var err error
	c.input, err = p.StdinPipe()
	callouttest.Must(t, err)
	out, err := p.StdoutPipe()
	callouttest.Must(t, err)
	var failed callouttest.Buffer
	p.Stderr = &failed
	callouttest.Must(t, p.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.mu.Lock()
			c.events = append(c.events, strings.TrimSpace(lines.Text()))
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-read
		_ = p.Wait()
		if failed.String() != "" || t.Failed() {
			t.Errorf("nats.js: %v\n%s", c.seen(), failed.String())
		}
	})
	callouttest.Eventually(t, "nats.js is connected", func() bool { return slices.Contains(c.seen(), "connected") })
	return c
}

func (c *natsJS) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// count tells how often it printed a line.
func (c *natsJS) count(line string) int {
	n := 0
	for _, e := range c.seen() {
		if e == line {
			n++
		}
	}
	return n
}

// flush waits until nats.js had a round trip to the server.
func (c *natsJS) flush(t *testing.T) {
	t.Helper()
	before := c.count("flushed")
	_, err := fmt.Fprintln(c.input)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "nats.js has an answer of the server", func() bool { return c.count("flushed") > before })
}

// nats.js gives up for good at the second denial in a row. In operator mode a reload of
// nats-server asks about its connection again, which is granted and stays.
func TestReloadKeepsNatsJS(t *testing.T) {
	t.Parallel()
	r := startReloads(t, nil)
	srv := r.o.Servers[0]
	c := startNatsJS(t, srv.URL(), "pia-key")
	for n := range 4 {
		r.expect(t, r.service, n+1)
		srv.Reload(t)
		c.flush(t)
	}
	r.expect(t, r.service, 5)
	if events := slices.DeleteFunc(c.seen(), func(e string) bool { return e == "flushed" }); !slices.Equal(events, []string{"connected"}) {
		t.Errorf("nats.js said %q", events)
	}
}

// In config mode a reload of nats-server closes the connection. nats.js comes back.
func TestReloadInConfigModeBringsNatsJSBack(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(reloadDirectory), Sessions: liveSessions{sessions.New()},
	})
	c := startNatsJS(t, srv.URL(), "pia-key")
	reconnects := func() int {
		n := 0
		for _, e := range c.seen() {
			if strings.HasPrefix(e, "reconnect ") || e == "reconnect" {
				n++
			}
		}
		return n
	}
	for n := range 3 {
		srv.Reload(t, fmt.Sprintf("debug: %t\n", n%2 == 0))
		callouttest.Eventually(t, "nats.js is back", func() bool { return reconnects() == n+1 })
		c.flush(t)
	}
	for _, e := range service.Settled(t) {
		if e.Text("outcome") != "granted" {
			t.Errorf("%v", e)
		}
	}
	if c.count("closed") > 0 {
		t.Errorf("nats.js gave up: %q", c.seen())
	}
}
