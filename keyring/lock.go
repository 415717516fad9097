package keyring

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// ErrLocked: another process is changing this keyring.
var ErrLocked = errors.New("another process is changing this keyring")

// lockFile begins with a dot, so that nobody takes it for a seed.
const lockFile = ".lock"

// Lock keeps other processes from changing a keyring directory until unlock is
// called or this process ends. ErrLocked: one is at it.
func Lock(dir string) (unlock func(), err error) {
	l := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock keyring: %w", err)
	}
	if !got {
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	return func() { _ = l.Unlock() }, nil // ending the process unlocks it too
}
