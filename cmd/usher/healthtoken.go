package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
	"usher/tokens/health"
)

// writeHealthToken puts a fresh health-check token where "usher healthcheck"
// finds it. The file changes in one step, so that nobody reads half a token.
func (in *instance) writeHealthToken(ctx context.Context) error {
	path := in.cfg.HealthCheck.TokenFile
	if in.cfg.Accounts.HealthCheck == "" {
		return nil
	}
	token, err := health.New(ctx, in.parts.keyring.Keyring().Oldest(), rand.Reader, in.parts.now())
	if err != nil {
		return err
	}
	if err := replaceFile(path, []byte(token+"\n")); err != nil {
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
func (in *instance) renewHealthToken(ctx context.Context) {
	tick := time.NewTicker(healthTokenLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		info, err := os.Stat(in.cfg.HealthCheck.TokenFile)
		if err == nil && in.parts.now().Sub(info.ModTime()) < healthTokenAge {
			continue
		}
		in.refreshHealthToken(ctx)
	}
}

// refreshHealthToken writes a fresh token, and logs it if that fails: the one
// that is there may be good still.
func (in *instance) refreshHealthToken(ctx context.Context) {
	if err := in.writeHealthToken(ctx); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "health-check token was not renewed", slog.String("error", err.Error()))
	}
}

// readHealthToken reads the token. Its folder is not looked at: whoever exchanges the
// file has the health check fail, and nothing else.
func readHealthToken(path string) (string, error) {
	token, err := openLine(path, ownedfile.Rule{Secret: true, FileOnly: true, Pipe: true})
	var at *os.PathError
	if errors.As(err, &at) {
		err = unreadable(err)
	}
	return token, err
}

// replaceFile writes a file that its owner alone can read, in one step.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := ownedfile.CheckLink(dir); err != nil { // whoever else made it chooses where the file is written
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return atomicfile.Write(path, content, 0o600, nil)
}
