package ownedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OpenFolder opens a folder in which this process makes or moves something. Whatever
// is done with it stays in it, also if others exchange it or plant a link in it; and
// root comes to it through no link of somebody else.
func OpenFolder(path string) (*os.Root, error) {
	s := host()
	for n := 1; ; n++ {
		seen, err := s.folder(path, Rule{Put: true})
		if err != nil {
			return nil, err
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		info, err := root.Stat(".")
		if err == nil && os.SameFile(seen, info) {
			return root, nil
		}
		_ = root.Close()
		if err == nil && n == attempts {
			err = exchanged(path)
		}
		if err != nil {
			return nil, err
		}
	}
}

// MakeLockFile makes the empty file at path, unless it is there, for somebody who
// locks it and opens it with the flags. A link is ErrLink: root would make a file
// where it leads. fit, which may be nil, sees a new file.
func MakeLockFile(path string, fit func(*os.File) error) (flags int, _ error) {
	root, err := OpenFolder(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	defer root.Close() //nolint:errcheck // nothing is written to it
	name := filepath.Base(path)
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return openNow | noFollow, plain(root, name, 0)
	case err != nil:
		return 0, err
	case fit != nil:
		err = fit(f)
	}
	return openNow | noFollow, errors.Join(err, f.Close())
}

// MakeSubfolder makes a folder in one that OpenFolder has opened, unless it is there.
// A link is ErrLink. fit sees a new one.
func MakeSubfolder(root *os.Root, name string, fit func(*os.File) error) error {
	err := root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return plain(root, name, fs.ModeDir)
	}
	if err != nil || fit == nil {
		return err
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing is written to it
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// What was just made may have been exchanged for a link to another one.
	if made, err := root.Lstat(name); err != nil || !os.SameFile(made, info) || !info.IsDir() {
		return errors.Join(fmt.Errorf("%s: %w", f.Name(), ErrLink), err)
	}
	return fit(f)
}

// plain reports what is there under another name, or is of another type.
func plain(root *os.Root, name string, want fs.FileMode) error {
	info, err := root.Lstat(name)
	path := filepath.Join(root.Name(), name)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s: %w", path, ErrLink)
	case info.Mode().Type() == want:
		return nil
	case want == fs.ModeDir:
		return fmt.Errorf("%s: not a directory", path)
	default:
		return fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
}

// OpenAppend opens a file to write at its end, or makes it, its owner's alone. What
// is there may be a link only if root or this user made it (CheckLink).
func OpenAppend(path string) (*os.File, error) {
	if err := CheckLink(path); err != nil {
		return nil, err
	}
	flags := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		flags |= noFollow // a link that comes now is somebody else's
	}
	return os.OpenFile(path, flags, 0o600) //nolint:gosec // the path is the operator's
}
