package ownedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLink: a link stands where a folder is to be made.
var ErrLink = errors.New("is a link, which may lead anywhere")

// MakeFolder makes a folder, and those above it that are not there, which only this
// user can enter. One that is there has to keep the rule, with every folder above it.
func MakeFolder(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	err = CheckFolder(path, Rule{Put: true})
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
	return CheckFolder(path, Rule{Put: true}) // somebody may have been faster
}

// MakeOwnFolder is MakeFolder for what is new altogether: nothing is put through a
// link that stands below base, whoever made it, nor into a folder in which others
// can put files of their own. rel is the path below base; "." is base itself.
func MakeOwnFolder(base, rel string) error {
	if err := CheckOwnFolder(base, rel); err != nil {
		return err
	}
	return MakeFolder(filepath.Join(base, rel))
}

// CheckOwnFolder reports why MakeOwnFolder would refuse what is there. It makes
// nothing.
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
			return nil // making the folder says what is wrong
		}
		if err := CheckFolder(at, Rule{}); err != nil {
			return err
		}
		if info, err = os.Stat(at); err != nil { // base may be a link
			return err
		}
		if _, ok := ownerOf(info); ok && info.Mode().Perm()&othersWrite != 0 {
			return &Error{Path: at, Err: ErrOthers, Detail: fmt.Sprintf("mode %04o of the folder", info.Mode().Perm()), Fix: "chmod o-w " + quote(at)}
		}
	}
	return nil
}

// CheckLink reports a link at path that somebody else than root or this user made.
// What is there and is no link, or nothing, is good.
func CheckLink(path string) error {
	s := host()
	info, err := s.lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil //nolint:nilerr // opening it says what is wrong
	}
	if owner, ok := s.owner(info); ok && owner != 0 && owner != s.user {
		return &Error{Path: path, Err: ErrOthers, Detail: fmt.Sprintf("a link that belongs to user %d", owner), Fix: "rm " + quote(path)}
	}
	return nil
}
