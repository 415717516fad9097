package keyring

import (
	"errors"
	"fmt"
	"os"
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
	path := filepath.Join(dir, lockFile)
	if err := makeLockFile(path); err != nil {
		return nil, fmt.Errorf("lock keyring: %w", err)
	}
	file := flock.New(path, flock.SetPermissions(0o600))
	got, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock keyring: %w", err)
	}
	if !got {
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	// Somebody may remove the file while it is held, so the directory is locked too.
	// Not every system can do that, nor every file system: then the file is all.
	whole := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	if got, err := whole.TryLock(); err == nil && !got {
		_ = file.Unlock()
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	return func() { // ending the process unlocks both, too
		_ = whole.Close()
		_ = file.Unlock()
	}, nil
}

// makeLockFile makes the file if it is not there. What is there keeps its owner: it
// may be a link.
func makeLockFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the operator's
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(give(f), f.Close())
}
