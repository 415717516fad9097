// Package ownedfile reads files that decide something: who gets in, what is signed,
// what is run. It refuses a file that any user but root and the user of this process
// could have written or replaced. Every reader of such a file applies the same rule,
// so "usher check" finds what a service would refuse.
//
// The rule holds for the file, for every folder up to the root, and for every link on
// the way:
//   - it belongs to root or to the user of this process;
//   - other users cannot write it. They may write a folder with the sticky bit,
//     because nobody can remove or rename files of another user there;
//   - a secret is readable by its owner alone, or also by its group where Rule allows.
//
// For a process of root, a file may belong to any user if others cannot write its
// folder: root, or a user whom root trusts with that folder, has put it there. A file
// that says what is run (Rule.Exec) must be root's.
//
// systemd passes secrets (LoadCredential) as files of root in a folder of root below
// /run/credentials, and lets the user of the service in with an access control list. It shows
// in the mode as if the group could read them, and is accepted there.
//
// A link is followed if its owner is trusted in the same way: Kubernetes mounts
// secrets as links that belong to root. As no other user can replace anything on the
// way, the file that is opened is the one that was checked; Open compares the two as
// well. On systems without such owners and modes, such as Windows, nothing is refused.
package ownedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Faults of a file, a folder or a link. They are wrapped in an Error.
var (
	// ErrUntrusted: a user other than root and the user of this process can write or
	// replace it.
	ErrUntrusted = errors.New("another user can write or replace it")
	// ErrReadable: a secret is readable by users who must not read it.
	ErrReadable = errors.New("secret file can be read by others")
)

// ErrNotRegular: the file is a folder, a device or the like.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge: the file is larger than Rule.Max.
var ErrTooLarge = errors.New("too large")

// Error is a fault of the file, folder or link at Path.
type Error struct {
	Path   string
	Err    error  // one of the faults
	Detail string // such as "it belongs to user 4711"
	Fix    string // shell command that fixes it
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v (%s)", e.Path, e.Err, e.Detail) }

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Err }

// Rule says what a file is used for, and so who may read or write it.
type Rule struct {
	Secret       bool  // users other than its owner must not read it
	GroupRead    bool  // its group may read a Secret
	NoGroupWrite bool  // its group must not write it either
	Exec         bool  // a program, or a file that names one: implies NoGroupWrite, and for root it must be root's
	Write        bool  // a file is written there: root follows no link of another user
	FileOnly     bool  // check the file but not its folder: replacing it gains an attacker nothing
	Pipe         bool  // it may be a pipe, as in "-c <(command)"
	Max          int64 // bytes; 0: any size
}

// Open opens a file that satisfies r. The FileInfo is that of the open file. Errors
// are *Error, ErrNotRegular, ErrTooLarge or *fs.PathError.
func Open(path string, r Rule) (*os.File, fs.FileInfo, error) {
	return host().open(path, r)
}

// Read returns the content of a file that satisfies r.
func Read(path string, r Rule) ([]byte, fs.FileInfo, error) {
	f, info, err := Open(path, r)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	in := io.Reader(f)
	if r.Max > 0 {
		in = io.LimitReader(f, r.Max+1)
	}
	b, err := io.ReadAll(in)
	if err == nil && r.Max > 0 && int64(len(b)) > r.Max {
		err = fmt.Errorf("%s: %w, more than %d bytes", path, ErrTooLarge, r.Max)
	}
	return b, info, err
}

// Check returns the error that Open would return, for files that a library opens.
func Check(path string, r Rule) error {
	f, _, err := Open(path, r)
	if err != nil {
		return err
	}
	return f.Close()
}

// CheckFolder reports a folder in which other users could create or remove files, or
// which they could replace. It accepts a folder with the sticky bit, because the owner
// of the files in it is checked as well.
func CheckFolder(path string, r Rule) error {
	_, err := host().folder(path, r)
	return err
}

// CheckWritten returns the error that Open would return for a new file once it is
// renamed to path. info describes the new file.
func CheckWritten(path string, info fs.FileInfo, r Rule) error {
	return host().written(path, info, r)
}

const maxAttempts = 3

func (s *system) open(path string, r Rule) (*os.File, fs.FileInfo, error) {
	for n := 1; ; n++ {
		var checked fs.FileInfo
		if !r.FileOnly {
			var err error
			if checked, err = s.walk(path, r); err != nil {
				return nil, nil, err
			}
		}
		if checked != nil && !checked.Mode().IsRegular() && !r.Pipe {
			return nil, nil, fmt.Errorf("%s: %w", path, ErrNotRegular) // opening a device may have an effect
		}
		f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0) //nolint:gosec // the path is the operator's
		if err != nil {
			return nil, nil, err
		}
		info, err := f.Stat()
		switch {
		case err != nil:
		case checked != nil && !os.SameFile(checked, info):
			if n < maxAttempts { // it was replaced, or Kubernetes updated a mounted secret
				_ = f.Close()
				continue
			}
			err = keepsChanging(path)
		default:
			err = s.checkFile(path, info, r)
		}
		if err != nil {
			_ = f.Close()
			return nil, nil, err
		}
		return f, info, nil
	}
}

// folder is walk for a folder. As for a file, the folder at path must be the one that
// walk has reached: a link below /proc may lead elsewhere than its text says.
func (s *system) folder(path string, r Rule) (fs.FileInfo, error) {
	r.Pipe = false
	for n := 1; ; n++ {
		info, err := s.walk(path, r)
		if err != nil {
			return nil, err
		}
		opened, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case os.SameFile(info, opened) && info.IsDir():
			return info, nil
		case os.SameFile(info, opened):
			return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
		case n == maxAttempts:
			return nil, keepsChanging(path)
		}
	}
}

func keepsChanging(path string) error {
	return fmt.Errorf("%s: was replaced each time it was checked", path)
}

// checkFile checks the file itself.
func (s *system) checkFile(path string, info fs.FileInfo, r Rule) error {
	switch {
	case info.IsDir(), !info.Mode().IsRegular() && !r.Pipe:
		return fmt.Errorf("%s: %w", path, ErrNotRegular)
	case r.Max > 0 && info.Size() > r.Max:
		return fmt.Errorf("%s: %w, %d bytes", path, ErrTooLarge, info.Size())
	default:
		return s.checkMode(path, info, r)
	}
}
