// Package logger makes the log of a running usher. Nothing that looks like a secret gets into it,
// whatever its source.
package logger

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"usher/app/config"
	"usher/internal/secret"
)

// New returns the log of a configuration, and its level, which can be changed. It shows
// nothing that looks like a secret.
func New(cfg *config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar, error) {
	level := new(slog.LevelVar)
	if err := SetLevel(level, cfg); err != nil {
		return nil, nil, err
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(redacting{slog.NewJSONHandler(w, opts)}), level, nil
	}
	return slog.New(redacting{slog.NewTextHandler(w, opts)}), level, nil
}

// SetLevel sets the level of a log to that of a configuration.
func SetLevel(level *slog.LevelVar, cfg *config.Log) error {
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	return nil
}

// redacting is a handler that redacts what looks like a secret, whatever its source: an
// error of nats.go or net/http, a name in a file, a panic.
type redacting struct{ slog.Handler }

// Handle implements slog.Handler.
func (h redacting) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, secret.RedactDetected(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(redacted(a))
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h redacting) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = redacted(a)
	}
	return redacting{h.Handler.WithAttrs(out)}
}

// WithGroup implements slog.Handler.
func (h redacting) WithGroup(name string) slog.Handler {
	return redacting{h.Handler.WithGroup(name)}
}

// redacted returns an attribute without secrets. A value with a text form of its own is kept
// unless that contains a secret.
func redacted(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	a.Key = secret.RedactDetected(a.Key)
	switch v.Kind() { //nolint:exhaustive // numbers and times contain no secret
	case slog.KindString:
		a.Value = slog.StringValue(secret.RedactDetected(v.String()))
	case slog.KindGroup:
		group := v.Group()
		out := make([]slog.Attr, len(group))
		for i := range group {
			out[i] = redacted(group[i])
		}
		a.Value = slog.GroupValue(out...)
	case slog.KindAny:
		text := fmt.Sprintf("%+v", v.Any())
		if b, ok := v.Any().([]byte); ok {
			text = string(b)
		}
		if clean := secret.RedactDetected(text); clean != text {
			a.Value = slog.StringValue(clean)
		}
	}
	return a
}
