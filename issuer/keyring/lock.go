package keyring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"usher/internal/ownedfile"
)

// ErrLocked: another process is changing this keyring.
var ErrLocked = errors.New("another process is changing this keyring")

// lockFile begins with a dot, so that nobody takes it for a seed.
const lockFile = ".lock"

// Lock keeps other processes from changing a keyring directory until unlock is
// called or this process ends. ErrLocked: one is at it.
func Lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockFile)
	flags, err := ownedfile.MakeLockFile(path, give)
	if err != nil {
		return nil, fmt.Errorf("lock keyring: %w", err)
	}
	file := flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o600))
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
