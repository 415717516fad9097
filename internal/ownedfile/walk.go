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

// system provides facts about files. Tests replace it to have files of other users,
// which only root could create.
type system struct {
	lstat    func(path string) (fs.FileInfo, error)
	readlink func(path string) (string, error)
	owner    func(fs.FileInfo) (uid int, ok bool) // ok: the system has owners and modes
	user     int                                  // effective user id of this process
}

func host() *system {
	return &system{lstat: os.Lstat, readlink: os.Readlink, owner: ownerOf, user: os.Geteuid()}
}

const (
	groupWrite = 0o020
	otherWrite = 0o002
	maxLinks   = 40
)

var errLinks = errors.New("too many links")

// walk resolves path from the root, checks every folder and link on the way, and
// returns the entry that it reaches. The result is nil if path leads to a descriptor
// of this process, which only a Rule with Pipe allows.
func (s *system) walk(path string, r Rule) (fs.FileInfo, error) {
	info, err := s.resolve(path, r)
	var failed *fs.PathError
	if errors.As(err, &failed) { // report it as opening the path would
		err = &fs.PathError{Op: "open", Path: path, Err: failed.Err}
	}
	return info, err
}

func (s *system) resolve(path string, r Rule) (fs.FileInfo, error) {
	whole := path // not cleaned: a ".." after a link is the parent of the link's target
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
		return os.Stat(path) // the system has no owners and modes
	}
	if err := s.checkEntry(at, info, info, r); err != nil {
		return nil, err
	}
	left := parts(whole)
	for links := 0; len(left) > 0; {
		if !info.IsDir() {
			return info, nil // opening it gives the error
		}
		name := left[0]
		left = left[1:]
		next, folder := filepath.Join(at, name), info
		if info, err = s.lstat(next); err != nil {
			if r.Exec && errors.Is(err, fs.ErrNotExist) && folder.Mode().Perm()&otherWrite != 0 {
				return nil, &Error{Path: next, Err: ErrUntrusted, Detail: "there is no file, and every user can create one", Fix: "choose another folder than " + quote(at)}
			}
			return nil, err
		}
		if name == ".." { // checked on the way here
			at = next
			continue
		}
		if err := s.checkEntry(next, info, folder, r); err != nil {
			return nil, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if isProcessLink(next) {
			if r.Pipe && len(left) == 0 && s.isOwnDescriptor(next) {
				return nil, nil
			}
			return nil, &Error{Path: next, Err: ErrUntrusted, Detail: "a link to an open file or the root folder of a process", Fix: "choose a path outside of " + procFolder}
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

// parts returns the names in a path.
func parts(path string) []string {
	names := strings.Split(filepath.ToSlash(strings.TrimPrefix(path, filepath.VolumeName(path))), "/")
	return slices.DeleteFunc(names, func(name string) bool { return name == "" || name == "." })
}

// checkEntry checks the owner of one file, folder or link in folder.
func (s *system) checkEntry(path string, info, folder fs.FileInfo, r Rule) error {
	mode, owner := info.Mode(), s.ownerOf(info)
	open := folder.Mode().Perm()&otherWrite != 0 // every user can create files in it
	switch {
	case owner == 0 || owner == s.user:
	case s.user == 0 && r.Write && mode&fs.ModeSymlink != 0:
		return &Error{Path: path, Err: ErrUntrusted, Detail: fmt.Sprintf("a link that belongs to user %d", owner), Fix: "chown -h 0 " + quote(path)}
	case s.user == 0 && !r.Exec && !open: // created by root, or by the user to whom root gave the folder
	default:
		return &Error{Path: path, Err: ErrUntrusted, Detail: fmt.Sprintf("it belongs to user %d", owner), Fix: fmt.Sprintf("chown %d %s", s.user, quote(path))}
	}
	if mode.IsDir() && mode.Perm()&otherWrite != 0 && mode&fs.ModeSticky == 0 {
		return &Error{Path: path, Err: ErrUntrusted, Detail: fmt.Sprintf("mode %04o of the folder", mode.Perm()), Fix: "chmod o-w " + quote(path)}
	}
	return nil
}

func (s *system) ownerOf(info fs.FileInfo) int {
	uid, _ := s.owner(info)
	return uid
}

// checkMode checks the mode and owner of a file. walk has not checked the owner of a
// file that is reached by an open descriptor.
func (s *system) checkMode(path string, info fs.FileInfo, r Rule) error {
	owner, ok := s.owner(info)
	if !ok {
		return nil
	}
	if owner != 0 && owner != s.user && (s.user != 0 || r.Exec) {
		return &Error{Path: path, Err: ErrUntrusted, Detail: fmt.Sprintf("it belongs to user %d", owner), Fix: fmt.Sprintf("chown %d %s", s.user, quote(path))}
	}
	perm := info.Mode().Perm()
	if r.Secret {
		allowed, recommended := fs.FileMode(0o700), 0o600
		if r.GroupRead || s.isCredential(path, info) {
			allowed, recommended = 0o740, 0o640
		}
		if perm&^allowed != 0 {
			return &Error{
				Path: path, Err: ErrReadable, Detail: fmt.Sprintf("mode %04o, expected %04o or less", perm, recommended),
				Fix: fmt.Sprintf("chmod %o %s", recommended, quote(path)),
			}
		}
	}
	writers, fix := fs.FileMode(otherWrite), "o-w"
	if r.NoGroupWrite || r.Exec {
		writers, fix = otherWrite|groupWrite, "go-w"
	}
	if info.Mode().IsRegular() && perm&writers != 0 {
		return &Error{Path: path, Err: ErrUntrusted, Detail: fmt.Sprintf("mode %04o", perm), Fix: fmt.Sprintf("chmod %s %s", fix, quote(path))}
	}
	return nil
}

// written checks a new file that is to be renamed to path.
func (s *system) written(path string, info fs.FileInfo, r Rule) error {
	dir, _ := filepath.Split(path) // filepath.Dir would clean it
	if dir == "" {
		dir = "."
	}
	folder, err := s.folder(dir, r)
	if err != nil {
		return err
	}
	if _, ok := s.owner(info); !ok {
		return nil
	}
	if err := s.checkEntry(path, info, folder, r); err != nil {
		return err
	}
	return s.checkFile(path, info, r)
}

// quote quotes a path for a shell if necessary.
func quote(path string) string {
	if path != "" && strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
