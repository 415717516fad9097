package audit

import (
	"fmt"
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
