package auditstream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/internal/secret"
)

// failing logs that lines cannot be stored: at once, then every minute, and when they are.
type failing struct {
	log    *slog.Logger
	now    func() time.Time
	stream string

	mu     sync.Mutex
	since  time.Time // zero: they are stored
	logged time.Time
}

func (f *failing) add(err error, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if f.since.IsZero() {
		f.since = now
	}
	if !f.logged.IsZero() && now.Sub(f.logged) < time.Minute {
		return
	}
	f.logged = now
	f.log.LogAttrs(context.Background(), slog.LevelError, "cannot store audit events in JetStream; retrying",
		slog.String("error", secret.RedactDetected(err.Error())), slog.String("stream", f.stream), slog.Int("waiting", waiting), slog.String("hint", hint(err)))
}

func (f *failing) ended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.since.IsZero() {
		f.log.LogAttrs(context.Background(), slog.LevelInfo, "audit events are stored again", slog.String("stream", f.stream), slog.Duration("after", f.now().Sub(f.since)))
	}
	f.since, f.logged = time.Time{}, time.Time{}
}

func hint(err error) string {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return "the account of the service user needs jetstream: enabled, and the servers a jetstream block"
	case errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
		return "is nats-server running at nats.urls? usher check tries each server"
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return "the stream audit.stream must have the subjects of audit.subject, and .> behind it"
	case errors.As(err, &api):
		return "JetStream refuses them: nats stream info shows the state and the limits of the stream"
	default:
		return "is JetStream available? usher check tries each server"
	}
}
