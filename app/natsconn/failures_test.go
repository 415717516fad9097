package natsconn_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/natsconn"
	"usher/callout/callouttest"
)

// Each cause is logged at once, and then once a minute, whatever came between.
func TestLogBridgeErrors(t *testing.T) {
	var log callouttest.Buffer
	now := time.Now()
	cfg := &config.Config{StanBridge: config.StanBridge{URLs: []string{"nats://a:1", "nats://b:1"}, NKeyFile: "bridge.nk"}}
	failed := natsconn.LogBridgeErrors(cfg, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	read := func(port int) error {
		return fmt.Errorf("read: %w", &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: errors.New("reset")})
	}
	expect := func(want int, errs ...error) {
		t.Helper()
		before := strings.Count(log.String(), "STAN bridge: cannot connect to NATS; retrying")
		for _, err := range errs {
			failed(err)
		}
		if got := strings.Count(log.String(), "STAN bridge: cannot connect to NATS; retrying") - before; got != want {
			t.Errorf("%v: logged %d times, not %d\n%s", errs, got, want, log.String())
		}
	}
	expect(3, nats.ErrNoServers, nats.ErrAuthorization, read(1), read(2), nats.ErrNoServers, nats.ErrAuthorization)
	now = now.Add(59 * time.Second)
	expect(1, nats.ErrNoServers, errors.New("other"))
	now = now.Add(time.Second)
	expect(3, read(3), nats.ErrNoServers, nats.ErrAuthorization, nats.ErrNoServers, errors.New("other"))
	for _, want := range []string{"urls=nats://a:1,nats://b:1", "user=stan_bridge.nkey_file", "is nats-server running at stan_bridge.urls?", "the server must have a user for"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}
