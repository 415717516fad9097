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

// lockFile begins with a dot, so that Load ignores it.
const lockFile = ".lock"

// Lock keeps other processes from changing a keyring directory until unlock is called
// or this process ends. ErrLocked: another process has locked it.
func Lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockFile)
	flags, err := ownedfile.MakeLockFile(path, chownToFolder)
	if err != nil {
		return nil, fmt.Errorf("lock keyring: %w", err)
	}
	file := flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o600))
	locked, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock keyring: %w", err)
	}
	if !locked {
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	// The lock file may be removed while it is locked, so the directory is locked, too.
	// Some operating systems and file systems cannot lock a directory; then the lock of
	// the file must do.
	directory := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	if locked, err := directory.TryLock(); err == nil && !locked {
		_ = file.Unlock()
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	return func() { // the end of the process unlocks both, too
		_ = directory.Close()
		_ = file.Unlock()
	}, nil
}

// Locked reports whether another process has locked a keyring directory. It creates
// nothing. It holds the lock for a moment, so that a concurrent Lock can fail.
func Locked(dir string) bool {
	file := flock.New(filepath.Join(dir, lockFile), flock.SetFlag(os.O_RDONLY))
	locked, err := file.TryRLock()
	if err != nil {
		return false // no lock file, or no permission to read it
	}
	_ = file.Close()
	return !locked
}
