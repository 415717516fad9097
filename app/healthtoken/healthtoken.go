// Package healthtoken keeps the file with the token of usher's own health check: a running
// usher writes it and renews it, and usher healthcheck reads it.
package healthtoken

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
	"usher/issuer"
	"usher/tokens/health"
)

// A token is renewed well before it expires, whichever replica wrote it, and when it is
// missing.
const (
	renewAge  = health.Lifetime / 4
	look      = time.Minute
	signLimit = 5 * time.Second // for a token that a program signs
)

// File is the file of a running usher.
type File struct {
	Path    string // empty: there is no health check
	Keyring func() *issuer.Keyring
	Now     func() time.Time
	Log     *slog.Logger
}

// Write writes a new token. The file is replaced atomically.
func (f *File) Write(ctx context.Context) error {
	if f.Path == "" {
		return nil
	}
	token, err := health.New(ctx, f.Keyring().Oldest(), rand.Reader, f.Now())
	if err != nil {
		return err
	}
	if err := secretfile.Write(f.Path, []byte(token+"\n")); err != nil {
		return fmt.Errorf("healthcheck.token_file: %w", err)
	}
	return nil
}

// Renew renews the token until ctx ends. The file stays after that: another replica on this
// host may still use it. It allows only the health check, for a day at most.
func (f *File) Renew(ctx context.Context) {
	if f.Path == "" {
		return
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		info, err := os.Stat(f.Path)
		if err == nil && f.Now().Sub(info.ModTime()) < renewAge {
			continue
		}
		f.refresh(ctx)
	}
}

// Refresh writes a new token now: the key that signed the old one may be gone. It only logs a
// failure, because the old token may still be valid.
func (f *File) Refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), signLimit)
	defer cancel()
	f.refresh(ctx)
}

func (f *File) refresh(ctx context.Context) {
	if err := f.Write(ctx); err != nil {
		f.Log.LogAttrs(ctx, slog.LevelError, "cannot renew the health-check token", slog.String("error", err.Error()))
	}
}

// Read reads the token. It does not check the folder: a replaced file only makes the health
// check fail.
func Read(path string) (string, error) {
	token, err := secretfile.ReadRule(path, ownedfile.Rule{Secret: true, FileOnly: true, Pipe: true})
	var at *os.PathError
	if errors.As(err, &at) {
		err = secretfile.Unreadable(err)
	}
	return token, err
}
