package ownedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OpenFolder opens a folder in which this process creates or renames files. Operations
// on the Root stay inside it, even if another user replaces the folder or plants a link
// in it. A process of root follows no link of another user on the way to it.
func OpenFolder(path string) (*os.Root, error) {
	s := host()
	for n := 1; ; n++ {
		checked, err := s.folder(path, Rule{Write: true})
		if err != nil {
			return nil, err
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		info, err := root.Stat(".")
		if err == nil && os.SameFile(checked, info) {
			return root, nil
		}
		_ = root.Close()
		if err == nil && n == maxAttempts {
			err = keepsChanging(path)
		}
		if err != nil {
			return nil, err
		}
	}
}

// MakeLockFile creates the empty lock file at path unless it exists, and returns the
// flags to open it with. A link is ErrLink, because root would create the file where
// the link leads. It calls prepare on a new file unless prepare is nil.
func MakeLockFile(path string, prepare func(*os.File) error) (flags int, _ error) {
	root, err := OpenFolder(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	defer root.Close() //nolint:errcheck // nothing is written to it
	name := filepath.Base(path)
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nonBlock | noFollow, checkType(root, name, 0)
	case err != nil:
		return 0, err
	case prepare != nil:
		err = prepare(f)
	}
	return nonBlock | noFollow, errors.Join(err, f.Close())
}

// MakeSubfolder creates a folder in root, which OpenFolder has opened, unless it
// exists. A link is ErrLink. It calls prepare on a new folder unless prepare is nil.
func MakeSubfolder(root *os.Root, name string, prepare func(*os.File) error) error {
	err := root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return checkType(root, name, fs.ModeDir)
	}
	if err != nil || prepare == nil {
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
	// Another user may have replaced the new folder by a link to another one.
	if created, err := root.Lstat(name); err != nil || !os.SameFile(created, info) || !info.IsDir() {
		return errors.Join(fmt.Errorf("%s: %w", f.Name(), ErrLink), err)
	}
	return prepare(f)
}

// checkType reports a link, or an entry that is not of the wanted type.
func checkType(root *os.Root, name string, want fs.FileMode) error {
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

// OpenAppend opens a file for appending, and creates it with mode 0600 if it does not
// exist. It follows a link only if CheckLink accepts it.
func OpenAppend(path string) (*os.File, error) {
	if err := CheckLink(path); err != nil {
		return nil, err
	}
	flags := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		flags |= noFollow // another user may plant a link now
	}
	return os.OpenFile(path, flags, 0o600) //nolint:gosec // the path is the operator's
}
