// Package ownedfile reads files that decide something: who gets in, what is signed,
// what is run. They are taken only if nobody but root and the user of this process
// could have put them there. The same rule holds wherever one is read, so that a
// check finds what a service would refuse.
//
// The rule, for the file, every folder up to the root, and every link on the way:
//   - it belongs to root or to the user of this process;
//   - others cannot write it. A folder with the sticky bit may be written by others,
//     for nobody can take away there what is not theirs;
//   - a secret is readable by its owner alone, and by its group where that is allowed.
//
// To root a file of another user is as good, if others cannot write the folder it
// lies in: root has given that folder away, or somebody whom root trusts with it
// has. Where it says what is run (Rule.Runs), it has to be root's.
//
// A link is followed if whoever made it is trusted like that: Kubernetes mounts
// secrets as links that belong to root. Nothing on the way can be exchanged by
// others, so that what is opened is what was looked at; that is compared as well.
// Where files have no such owners and modes, as on Windows, nothing is refused.
package ownedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// The faults that a file, a folder or a link can have. They come in an Error.
var (
	ErrOthers   = errors.New("others could have put it there")
	ErrReadable = errors.New("secret file can be read by others")
)

// ErrNotRegular: it is a folder, a device or the like.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge: a file is larger than what it is for can be.
var ErrTooLarge = errors.New("too large")

// Error says what is wrong with what lies at Path.
type Error struct {
	Path   string
	Err    error  // one of the faults
	Detail string // such as "it belongs to user 4711"
	Fix    string // command that mends it
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v (%s)", e.Path, e.Err, e.Detail) }

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Err }

// Rule says what a file is, and so who may do what with it.
type Rule struct {
	Secret bool // others must not read it
	Group  bool // the group of a secret may read it
	Own    bool // its group must not write it either
	Runs   bool // Own, and it is a program or names one: root takes none but root's
	Put    bool // something is put there: root follows no link of somebody else
	Alone  bool // the file is looked at and its folder is not: whoever exchanges it gains nothing
	Pipe   bool // it may be something else than a regular file, as in "-c <(command)"
	Max    int64
}

// Open opens a file that keeps the rule. What it returns of the file is from after
// it was opened. Errors are Error, ErrNotRegular, ErrTooLarge or fs.PathError.
func Open(path string, r Rule) (*os.File, fs.FileInfo, error) {
	return host().open(path, r)
}

// Read returns all of a file that keeps the rule. If r.Max is not 0, one that is
// larger is refused.
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

// Check reports what Open would refuse, for files that somebody else opens.
func Check(path string, r Rule) error {
	f, _, err := Open(path, r)
	if err != nil {
		return err
	}
	return f.Close()
}

// CheckFolder reports a folder in which others could put something, take something
// away, or which they could exchange. One with the sticky bit is good for files whose
// owner is looked at.
func CheckFolder(path string, r Rule) error {
	_, err := host().folder(path, r)
	return err
}

// CheckWritten reports why a file that was written to be put at path would be
// refused there: it is not there yet.
func CheckWritten(path string, info fs.FileInfo, r Rule) error {
	return host().written(path, info, r)
}

const attempts = 3

func (s *system) open(path string, r Rule) (*os.File, fs.FileInfo, error) {
	for n := 1; ; n++ {
		var seen fs.FileInfo
		if !r.Alone {
			var err error
			if seen, err = s.walk(path, r); err != nil {
				return nil, nil, err
			}
		}
		if seen != nil && !seen.Mode().IsRegular() && !r.Pipe {
			return nil, nil, fmt.Errorf("%s: %w", path, ErrNotRegular) // to open a device may do something
		}
		f, err := os.OpenFile(path, os.O_RDONLY|openNow, 0) //nolint:gosec // the path is the operator's
		if err != nil {
			return nil, nil, err
		}
		info, err := f.Stat()
		switch {
		case err != nil:
		case seen != nil && !os.SameFile(seen, info):
			if n < attempts { // a new one was put in its place, or a mounted secret was renewed
				_ = f.Close()
				continue
			}
			err = exchanged(path)
		default:
			err = s.content(path, info, r)
		}
		if err != nil {
			_ = f.Close()
			return nil, nil, err
		}
		return f, info, nil
	}
}

// folder is walk to a folder. What lies at path has to be what the way leads to, as
// for a file: a link may lead elsewhere than it says.
func (s *system) folder(path string, r Rule) (fs.FileInfo, error) {
	r.Pipe = false
	for n := 1; ; n++ {
		info, err := s.walk(path, r)
		if err != nil {
			return nil, err
		}
		there, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case os.SameFile(info, there) && info.IsDir():
			return info, nil
		case os.SameFile(info, there):
			return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
		case n == attempts:
			return nil, exchanged(path)
		}
	}
}

func exchanged(path string) error {
	return fmt.Errorf("%s: is exchanged for another again and again", path)
}

// content looks at the file itself.
func (s *system) content(path string, info fs.FileInfo, r Rule) error {
	switch {
	case info.IsDir(), !info.Mode().IsRegular() && !r.Pipe:
		return fmt.Errorf("%s: %w", path, ErrNotRegular)
	case r.Max > 0 && info.Size() > r.Max:
		return fmt.Errorf("%s: %w, %d bytes", path, ErrTooLarge, info.Size())
	default:
		return s.mode(path, info, r)
	}
}
