package ownedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLink: there is a link where a folder or a lock file is to be created.
var ErrLink = errors.New("is a symbolic link, which may lead anywhere")

// MakeFolder creates a folder and its missing parents with mode 0700. Folders that
// exist must satisfy the rule of the package.
func MakeFolder(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	err = CheckFolder(path, Rule{Write: true})
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if up := filepath.Dir(path); up != path {
		if err := MakeFolder(up); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return CheckFolder(path, Rule{Write: true}) // another process may have created it first
}

// MakeOwnFolder is MakeFolder for a new installation: it follows no link below base,
// not even one of this user, and creates nothing in a folder in which other users can
// create files. rel is the path below base; "." is base itself.
func MakeOwnFolder(base, rel string) error {
	if err := CheckOwnFolder(base, rel); err != nil {
		return err
	}
	return MakeFolder(filepath.Join(base, rel))
}

// CheckOwnFolder returns the error that MakeOwnFolder would return for what exists
// already. It creates nothing.
func CheckOwnFolder(base, rel string) error {
	at := base
	for _, name := range append([]string{""}, parts(filepath.Clean(rel))...) {
		if name == "." {
			continue
		}
		at = filepath.Join(at, name)
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if name != "" && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s: %w", at, ErrLink)
		}
		if info.Mode().IsRegular() {
			return nil // creating the folder gives the error
		}
		if err := CheckFolder(at, Rule{}); err != nil {
			return err
		}
		if info, err = os.Stat(at); err != nil { // base may be a link
			return err
		}
		if _, ok := ownerOf(info); ok && info.Mode().Perm()&otherWrite != 0 {
			return &Error{Path: at, Err: ErrUntrusted, Detail: fmt.Sprintf("mode %04o of the folder", info.Mode().Perm()), Fix: "chmod o-w " + quote(at)}
		}
	}
	return nil
}

// CheckLink reports a link at path that belongs to a user other than root and the user
// of this process. It accepts anything else, also a path where there is nothing.
func CheckLink(path string) error {
	s := host()
	info, err := s.lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil //nolint:nilerr // opening it gives the error
	}
	if owner, ok := s.owner(info); ok && owner != 0 && owner != s.user {
		return &Error{Path: path, Err: ErrUntrusted, Detail: fmt.Sprintf("a link that belongs to user %d", owner), Fix: "rm " + quote(path)}
	}
	return nil
}
