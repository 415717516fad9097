package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// TestReference: a real server accepts its responses, plain and sealed, and enforces the
// permissions in them.
func TestReference(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		keys := callouttest.NewKeys(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
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
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var stderr callouttest.Buffer
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, args, &stderr) }()
		callouttest.Eventually(t, "it is ready", func() bool { return strings.Contains(stderr.String(), "ready") })

		refused := make(chan error, 1)
		nc, err := nats.Connect(srv.URL(), nats.Token("anything"), nats.Timeout(10*time.Second), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		if err != nil {
			t.Fatalf("sealed %t: %v\n%s", sealed, err, stderr.String())
		}
		defer nc.Close()
		callouttest.Must(t, nc.Publish("p.t9", nil))
		callouttest.Must(t, nc.Publish("p.t10", nil))
		if err := <-refused; !strings.Contains(err.Error(), `"p.t10"`) {
			t.Errorf("sealed %t: %v", sealed, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
