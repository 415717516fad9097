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

// writeHealthToken puts a fresh health-check token where "usher healthcheck"
// finds it. The file changes in one step, so that nobody reads half a token.
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

// A token is renewed well before it ends, whichever replica wrote it, and when
// it has gone.
const (
	healthTokenAge  = health.Lifetime / 4
	healthTokenLook = time.Minute

	healthTokenLimit = 5 * time.Second // for one that is signed elsewhere
)

// renewHealthToken keeps the token fresh until ctx ends. The file stays after
// that: another replica on this host may go on with it, and by itself it lets
// nobody do anything but the health check, for a day at most.
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

// refreshHealthToken writes a fresh token, and logs it if that fails: the one
// that is there may be good still.
func (srv *Server) refreshHealthToken(ctx context.Context) {
	if err := srv.writeHealthToken(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "health-check token was not renewed", slog.String("error", err.Error()))
	}
}

// ReadHealthToken reads the token. Its folder is not looked at: whoever exchanges the
// file has the health check fail, and nothing else.
func ReadHealthToken(path string) (string, error) {
	token, err := secretfile.ReadRule(path, ownedfile.Rule{Secret: true, FileOnly: true, Pipe: true})
	var at *os.PathError
	if errors.As(err, &at) {
		err = secretfile.Unreadable(err)
	}
	return token, err
}
