package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"usher/internal/secretfile"

	"usher/internal/ownedfile"
	"usher/tokens/health"
)

// writeHealthToken writes a new health-check token for usher healthcheck. The file is
// replaced atomically.
func (srv *Server) writeHealthToken(ctx context.Context) error {
	path := srv.cfg.HealthCheck.TokenFile
	if srv.cfg.Accounts.HealthCheck == "" {
		return nil
	}
	token, err := health.New(ctx, srv.Parts.Keyring.Keyring().Oldest(), rand.Reader, srv.Parts.Now())
	if err != nil {
		return err
	}
	if err := secretfile.Write(path, []byte(token+"\n")); err != nil {
		return fmt.Errorf("healthcheck.token_file: %w", err)
	}
	return nil
}

// A token is renewed well before it expires, whichever replica wrote it, and when it is
// missing.
const (
	healthTokenAge  = health.Lifetime / 4
	healthTokenLook = time.Minute

	healthTokenLimit = 5 * time.Second // for a token that a program signs
)

// renewHealthToken renews the token until ctx ends. The file stays after that: another
// replica on this host may still use it. It allows only the health check, for a day at
// most.
func (srv *Server) renewHealthToken(ctx context.Context) {
	tick := time.NewTicker(healthTokenLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		info, err := os.Stat(srv.cfg.HealthCheck.TokenFile)
		if err == nil && srv.Parts.Now().Sub(info.ModTime()) < healthTokenAge {
			continue
		}
		srv.refreshHealthToken(ctx)
	}
}

// refreshHealthToken writes a new token. It only logs a failure, because the old token may
// still be valid.
func (srv *Server) refreshHealthToken(ctx context.Context) {
	if err := srv.writeHealthToken(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot renew the health-check token", slog.String("error", err.Error()))
	}
}

// ReadHealthToken reads the token. It does not check the folder: a replaced file only makes
// the health check fail.
func ReadHealthToken(path string) (string, error) {
	token, err := secretfile.ReadRule(path, ownedfile.Rule{Secret: true, FileOnly: true, Pipe: true})
	var at *os.PathError
	if errors.As(err, &at) {
		err = secretfile.Unreadable(err)
	}
	return token, err
}
