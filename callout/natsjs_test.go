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

// try implements reloadClient: nats.js publishes, and has a round trip to the server unless
// it loses its connection.
func (c *natsJS) try(t *testing.T, text string) {
	t.Helper()
	answers := func() int { return c.count("flushed") + c.count("lost") }
	before := answers()
	_, err := fmt.Fprintln(c.input, text)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "nats.js has an answer of the server", func() bool { return answers() > before })
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
		c.try(t, "x")
	}
	r.expect(t, r.service, 5)
	if events := slices.DeleteFunc(c.seen(), func(e string) bool { return e == "flushed" }); !slices.Equal(events, []string{"connected"}) {
		t.Errorf("nats.js said %q", events)
	}
}
