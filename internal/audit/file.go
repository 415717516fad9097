package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"usher/internal/ownedfile"
)

// File is an audit file that can be reopened after log rotation.
type File struct {
	path string
	mu   sync.Mutex
	f    *os.File
}

// OpenFile opens path for appending, and creates it with mode 0600 if necessary.
func OpenFile(path string) (*File, error) {
	a := &File{path: path}
	if err := a.Reopen(); err != nil {
		return nil, err
	}
	return a, nil
}

// Reopen opens the path again and closes the old file. On an error the old file stays
// in use.
func (a *File) Reopen() error {
	// A link of another user would choose the file that is written to.
	f, err := ownedfile.OpenAppend(a.path)
	if err != nil {
		return fmt.Errorf("open audit file: %w", err)
	}
	a.mu.Lock()
	old := a.f
	a.f = f
	a.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Write appends p.
func (a *File) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.f.Write(p)
}

// Close closes the file.
func (a *File) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.f.Close()
}

// tailSize bounds what LastLine reads. No line of the audit is longer.
const tailSize = 16 << 20

// LastLine returns the last line of the file at path, without its line end; nil: it is empty or
// does not exist. torn: it has no line end.
func LastLine(path string) (line []byte, torn bool, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		// As after usher bootstrap was run as root, before the first start of the service.
		return nil, false, fmt.Errorf("read audit file: %w; give it to the user that runs usher serve, and run commands that write the audit as that user", err)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read audit file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, false, err
	}
	for size := int64(64 << 10); ; size *= 2 {
		from := max(0, info.Size()-size)
		tail := make([]byte, info.Size()-from)
		if _, err := f.ReadAt(tail, from); err != nil {
			return nil, false, fmt.Errorf("read audit file: %w", err)
		}
		whole, ended := bytes.CutSuffix(tail, []byte("\n"))
		i := bytes.LastIndexByte(whole, '\n')
		if i >= 0 || from == 0 {
			return whole[i+1:], !ended, nil
		}
		if size >= tailSize {
			return nil, !ended, nil
		}
	}
}
