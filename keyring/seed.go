package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// ErrReadable: a file with a seed or another secret can be read by others than
// its owner.
var ErrReadable = errors.New("secret file can be read by others")

// Sizes, in bytes.
const (
	maxSeedFile  = 4096    // far above any seed with surrounding white space
	maxStateFile = 8 << 20 // 340 bytes for an account with its key: thousands of them
)

// ReadSeed reads a seed file that nobody else can read. The check is made on the
// file that was opened, so that it cannot be exchanged in between.
func ReadSeed(path string, allowGroup bool) ([]byte, os.FileInfo, error) {
	b, info, err := readFile(path, maxSeedFile, "a seed", allowGroup)
	return bytes.TrimSpace(b), info, err
}

// readFile reads a small regular file that nobody else can read.
func readFile(path string, limit int64, what string, allowGroup bool) ([]byte, os.FileInfo, error) {
	// Opening a device may do something.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	return readRegular(path, limit, what, allowGroup)
}

// readRegular is readFile for what was a regular file a moment ago.
func readRegular(path string, limit int64, what string, allowGroup bool) ([]byte, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openNow, 0) //nolint:gosec // the path comes from the operator's configuration
	if err != nil {
		return nil, nil, fmt.Errorf("open file with %s: %w", what, err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("look at file with %s: %w", what, err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > limit {
		return nil, nil, fmt.Errorf("%s: %d bytes are too many for %s", path, info.Size(), what)
	}
	if err := CheckMode(path, info, allowGroup); err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, nil, fmt.Errorf("read file with %s %s: %w", what, path, err)
	}
	return b, info, nil
}

// CheckMode reports ErrReadable for a file that others than its owner can read
// or change; allowGroup lets its group read it. On Windows file modes say nothing
// about access, so nothing is checked there (docs/operations.md).
func CheckMode(path string, info os.FileInfo, allowGroup bool) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	allowed := os.FileMode(0o700)
	if allowGroup {
		allowed = 0o740
	}
	if mode := info.Mode().Perm(); mode&^allowed != 0 {
		return fmt.Errorf("%s: %w (mode %04o, expected %04o or less)", path, ErrReadable, mode, allowed&0o640)
	}
	return nil
}
