package stanbridge_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/stanbridge"
	"usher/callout/callouttest"
)

// A server that refuses the bridge is asked again for ever, and the status has the cause.
func TestRefusedAtFirst(t *testing.T) {
	t.Parallel()
	cfg := config(serverWith(t, "authorization { token: secret }\n"))
	var attempts atomic.Int32
	var right atomic.Bool
	cfg.Failed = func(err error) {
		if errors.Is(err, nats.ErrAuthorization) {
			attempts.Add(1)
		}
	}
	cfg.Options = []nats.Option{nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0), nats.TokenHandler(func() string {
		if right.Load() {
			return "secret"
		}
		return "wrong"
	})}
	b, err := stanbridge.Start(cfg)
	callouttest.Must(t, err)
	stopAtEnd(t, b)
	callouttest.Eventually(t, "the bridge was refused three times", func() bool { return attempts.Load() >= 3 })
	if s := b.Status(); s.Connected || !errors.Is(s.Unreachable, nats.ErrAuthorization) {
		t.Errorf("%+v", s)
	}
	right.Store(true)
	callouttest.Eventually(t, "the bridge is ready", func() bool { s := b.Status(); return s.Stream == nil && s.Unreachable == nil })
}
