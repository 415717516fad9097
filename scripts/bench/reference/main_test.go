package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// TestReference: a real server accepts its responses, plain and sealed, over one and over
// several connections, and enforces the permissions in them.
func TestReference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sealed      bool
		more        []string
		connections int
	}{
		"plain":               {false, nil, 1},
		"sealed":              {true, nil, 1},
		"several connections": {true, []string{"-connections", "3"}, 3},
		"one worker":          {false, []string{"-workers", "1", "-connections", "2"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := callouttest.NewKeys(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: c.sealed})
			before := srv.NATSServer().NumClients()
			stderr, stop := startReference(t, srv, keys, c.sealed, c.more)
			if n := srv.NATSServer().NumClients() - before; n != c.connections {
				t.Errorf("%d connections, not %d", n, c.connections)
			}
			refused := make(chan error, 1)
			nc, err := nats.Connect(srv.URL(), nats.Token("anything"), nats.Timeout(10*time.Second), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			defer nc.Close()
			callouttest.Must(t, nc.Publish("p.t9", nil))
			callouttest.Must(t, nc.Publish("p.t10", nil))
			if err := <-refused; !strings.Contains(err.Error(), `"p.t10"`) {
				t.Error(err)
			}
			stop()
		})
	}
}

// startReference starts the reference and waits until it is ready. stop waits for its end.
func startReference(t *testing.T, srv *callouttest.Server, keys callouttest.Keys, sealed bool, more []string) (stderr *callouttest.Buffer, stop func()) {
	t.Helper()
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		callouttest.Must(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
		return path
	}
	args := []string{
		"-server", srv.URL(), "-user", callouttest.ServiceUser, "-password-file", file("password", callouttest.Password),
		"-issuer-file", file("issuer", keys.IssuerSeed), "-account", callouttest.AppAccount,
	}
	if sealed {
		args = append(args, "-xkey-file", file("xkey", keys.XKeySeed))
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	stderr = &callouttest.Buffer{}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, append(args, more...), stderr) }()
	callouttest.Eventually(t, "it is ready", func() bool { return strings.Contains(stderr.String(), "ready") })
	return stderr, func() {
		cancel()
		callouttest.Must(t, <-ended)
	}
}

// TestUsage: there is no reference without workers or connections.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-workers", "0"}, {"-connections", "0"}, {"-connections", "-1"}} {
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), "at least 1") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
