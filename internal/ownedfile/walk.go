package ownedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// system is what is asked about files. Tests hand in others' files, which only root
// could make.
type system struct {
	lstat    func(path string) (fs.FileInfo, error)
	readlink func(path string) (string, error)
	owner    func(fs.FileInfo) (uid int, ok bool) // ok: the system has owners and modes
	user     int                                  // of this process
}

func host() *system {
	return &system{lstat: os.Lstat, readlink: os.Readlink, owner: ownerOf, user: os.Geteuid()}
}

// Permission bits, and what a path may hold.
const (
	groupWrites = 0o020
	othersWrite = 0o002
	maxLinks    = 40
)

var errLinks = errors.New("too many links")

// walk goes the way from the root to what lies at path, which is the result, and
// looks at every folder and link on it. The result is nil if the way leads to a
// descriptor of this process, which only a Rule with Pipe allows.
func (s *system) walk(path string, r Rule) (fs.FileInfo, error) {
	info, err := s.way(path, r)
	var at *fs.PathError
	if errors.As(err, &at) { // as opening it would say it
		err = &fs.PathError{Op: "open", Path: path, Err: at.Err}
	}
	return info, err
}

func (s *system) way(path string, r Rule) (fs.FileInfo, error) {
	whole := path // as it is: the ".." behind a link is that of where the link leads
	if !filepath.IsAbs(path) {
		folder, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		whole = folder + string(filepath.Separator) + path
	}
	at := filepath.VolumeName(whole) + string(filepath.Separator)
	info, err := s.lstat(at)
	if err != nil {
		return nil, err
	}
	if _, ok := s.owner(info); !ok {
		return os.Stat(path) // no owners, no modes
	}
	if err := s.entry(at, info, info, r); err != nil {
		return nil, err
	}
	left := parts(whole)
	for links := 0; len(left) > 0; {
		if !info.IsDir() {
			return info, nil // opening it says what is wrong
		}
		name := left[0]
		left = left[1:]
		next, folder := filepath.Join(at, name), info
		if info, err = s.lstat(next); err != nil {
			if r.Runs && errors.Is(err, fs.ErrNotExist) && folder.Mode().Perm()&othersWrite != 0 {
				return nil, &Error{Path: next, Err: ErrOthers, Detail: "nothing is there, and everybody can put something there", Fix: "choose another folder than " + quote(at)}
			}
			return nil, err
		}
		if name == ".." { // which was looked at on the way here
			at = next
			continue
		}
		if err := s.entry(next, info, folder, r); err != nil {
			return nil, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if ofProcess(next) {
			if r.Pipe && len(left) == 0 && s.ownDescriptor(next) {
				return nil, nil
			}
			return nil, &Error{Path: next, Err: ErrOthers, Detail: "a link to what a process has open or sees as its root", Fix: "choose a path outside of " + kernelFolder}
		}
		if links++; links > maxLinks {
			return nil, &fs.PathError{Op: "open", Path: path, Err: errLinks}
		}
		target, err := s.readlink(next)
		if err != nil {
			return nil, err
		}
		if filepath.IsAbs(target) {
			at = string(filepath.Separator)
		}
		left = append(parts(target), left...)
		if info, err = s.lstat(at); err != nil {
			return nil, err
		}
	}
	return info, nil
}

// parts are the names in a path.
func parts(path string) []string {
	names := strings.Split(filepath.ToSlash(strings.TrimPrefix(path, filepath.VolumeName(path))), "/")
	return slices.DeleteFunc(names, func(name string) bool { return name == "" || name == "." })
}

// entry looks at one file, folder or link, which lies in folder.
func (s *system) entry(path string, info, folder fs.FileInfo, r Rule) error {
	mode, owner := info.Mode(), s.ownerOf(info)
	open := folder.Mode().Perm()&othersWrite != 0 // to everybody, for files of their own
	switch {
	case owner == 0 || owner == s.user:
	case s.user == 0 && r.Put && mode&fs.ModeSymlink != 0:
		return &Error{Path: path, Err: ErrOthers, Detail: fmt.Sprintf("a link that belongs to user %d", owner), Fix: "chown -h 0 " + quote(path)}
	case s.user == 0 && !r.Runs && !open: // only root, or whom root has given the folder, can have put it there
	default:
		return &Error{Path: path, Err: ErrOthers, Detail: fmt.Sprintf("it belongs to user %d", owner), Fix: fmt.Sprintf("chown %d %s", s.user, quote(path))}
	}
	if mode.IsDir() && mode.Perm()&othersWrite != 0 && mode&fs.ModeSticky == 0 {
		return &Error{Path: path, Err: ErrOthers, Detail: fmt.Sprintf("mode %04o of the folder", mode.Perm()), Fix: "chmod o-w " + quote(path)}
	}
	return nil
}

func (s *system) ownerOf(info fs.FileInfo) int {
	uid, _ := s.owner(info)
	return uid
}

// mode looks at the mode of a file, and again at its owner: it may be an open one.
func (s *system) mode(path string, info fs.FileInfo, r Rule) error {
	owner, ok := s.owner(info)
	if !ok {
		return nil
	}
	if owner != 0 && owner != s.user && (s.user != 0 || r.Runs) {
		return &Error{Path: path, Err: ErrOthers, Detail: fmt.Sprintf("it belongs to user %d", owner), Fix: fmt.Sprintf("chown %d %s", s.user, quote(path))}
	}
	perm := info.Mode().Perm()
	if r.Secret {
		allowed, say := fs.FileMode(0o700), 0o600
		if r.Group {
			allowed, say = 0o740, 0o640
		}
		if perm&^allowed != 0 {
			return &Error{
				Path: path, Err: ErrReadable, Detail: fmt.Sprintf("mode %04o, expected %04o or less", perm, say),
				Fix: fmt.Sprintf("chmod %o %s", say, quote(path)),
			}
		}
	}
	writers, fix := fs.FileMode(othersWrite), "o-w"
	if r.Own || r.Runs {
		writers, fix = othersWrite|groupWrites, "go-w"
	}
	if info.Mode().IsRegular() && perm&writers != 0 {
		return &Error{Path: path, Err: ErrOthers, Detail: fmt.Sprintf("mode %04o", perm), Fix: fmt.Sprintf("chmod %s %s", fix, quote(path))}
	}
	return nil
}

// written looks at a file that is to be put at path.
func (s *system) written(path string, info fs.FileInfo, r Rule) error {
	in, _ := filepath.Split(path) // as it is, which filepath.Dir would not leave it
	if in == "" {
		in = "."
	}
	folder, err := s.folder(in, r)
	if err != nil {
		return err
	}
	if _, ok := s.owner(info); !ok {
		return nil
	}
	if err := s.entry(path, info, folder, r); err != nil {
		return err
	}
	return s.content(path, info, r)
}

// quote returns a path as a shell takes it.
func quote(path string) string {
	if path != "" && strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
