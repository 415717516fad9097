// Package atomicfile writes files atomically and durably. A reader sees the old
// content or the new content, also after a crash; the package syncs the file and
// then its folder. It never writes through a symbolic link at the path.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"usher/internal/ownedfile"
)

// Write replaces the file at path with content and mode. It writes a temporary file
// in the same folder, with a leading dot in its name and mode 0600, calls prepare on
// it unless prepare is nil, and renames it. On an error path stays as it was.
func Write(path string, content []byte, mode os.FileMode, prepare func(*os.File) error) error {
	return write(path, mode, func(f *os.File) error {
		if _, err := f.Write(content); err != nil || prepare == nil {
			return err
		}
		return prepare(f)
	})
}

// Stream is Write for content that is too large to hold in memory.
func Stream(path string, mode os.FileMode, content func(io.Writer) error) error {
	return write(path, mode, func(f *os.File) error { return content(f) })
}

func write(path string, mode os.FileMode, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	err = fill(f)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write: %w", err), os.Remove(f.Name()))
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// New creates a file with content and mode 0600, and calls prepare on it unless
// prepare is nil. If there is a file already, New leaves it alone and returns
// os.ErrExist. The folder must be one in which no other user can replace the file
// (package ownedfile). On an error New removes what it has written.
func New(path string, content []byte, prepare func(*os.File) error) error {
	if err := ownedfile.CheckFolder(filepath.Dir(path), ownedfile.Rule{Write: true}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the operator's
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err = f.Write(content); err == nil && prepare != nil {
		err = prepare(f)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write: %w", err), os.Remove(path))
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// SyncDir syncs a folder, so that renames and new files in it survive a crash. Not
// every system can do that, so it is best effort and returns no error.
func SyncDir(dir string) {
	d, err := os.Open(dir) //nolint:gosec // the path is the operator's
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
