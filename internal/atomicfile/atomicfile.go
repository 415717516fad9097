// Package atomicfile puts a file in place in one step: whoever reads it finds what
// was there or what is there now, and after a crash it is one of the two. It never
// writes through a link that stands there.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"usher/internal/ownedfile"
)

// Write writes content to path with this mode, in place of what is there. The file
// is written beside it under a name that begins with a dot, and is its owner's alone
// until fit has seen it; an error of fit, which may be nil, leaves path as it was.
func Write(path string, content []byte, mode os.FileMode, fit func(*os.File) error) error {
	return write(path, mode, func(f *os.File) error {
		if _, err := f.Write(content); err != nil || fit == nil {
			return err
		}
		return fit(f)
	})
}

// Stream is Write for content that is too large to be held at once.
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

// New writes content to a file that is not there yet, its owner's alone until fit,
// which may be nil, has seen it. The folder has to be one in which nobody else can
// exchange it (package ownedfile). Nothing is left of it after an error; that is
// os.ErrExist if there was a file, which stays as it is.
func New(path string, content []byte, fit func(*os.File) error) error {
	if err := ownedfile.CheckFolder(filepath.Dir(path), ownedfile.Rule{Put: true}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the operator's
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err = f.Write(content); err == nil && fit != nil {
		err = fit(f)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write: %w", err), os.Remove(path))
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// SyncDir has names that were changed in dir outlive a crash, where the system can
// do that; if not, they do in practice.
func SyncDir(dir string) {
	d, err := os.Open(dir) //nolint:gosec // the path is the operator's
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
