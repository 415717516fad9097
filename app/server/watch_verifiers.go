package server

import (
	"context"
	"log/slog"
	"time"

	"usher/internal/secret"
	"usher/tokens"
)

// verifierInterval is the time between two looks at the backends of verifiers.
const verifierInterval = 2 * time.Second

// watchVerifiers logs when a backend of a verifier stops being ready, and when it is ready
// again, until ctx ends.
func (srv *Server) watchVerifiers(ctx context.Context) {
	tick := time.NewTicker(verifierInterval)
	defer tick.Stop()
	down := map[[2]string]bool{}
	for {
		select {
		case <-tick.C:
			srv.logVerifiers(ctx, down)
		case <-ctx.Done():
			return
		}
	}
}

// logVerifiers logs every backend whose state is not as in down, and notes it there.
func (srv *Server) logVerifiers(ctx context.Context, down map[[2]string]bool) {
	srv.eachStatus(func(verifier string, s *tokens.Status) {
		for i := range s.Backends {
			b := &s.Backends[i]
			key, is := [2]string{verifier, b.Name}, !b.Up || b.Open
			if is == down[key] {
				continue
			}
			down[key] = is
			who := []slog.Attr{slog.String("verifier", verifier), slog.String("backend", b.Name)}
			if is {
				srv.log.LogAttrs(ctx, slog.LevelWarn, "verifier is not ready; its credentials are not decided",
					append(who, slog.String("error", secret.RedactDetected(b.Error)))...)
			} else {
				srv.log.LogAttrs(ctx, slog.LevelInfo, "verifier is ready again", who...)
			}
		}
	})
}
