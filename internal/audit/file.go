package audit

import (
	"fmt"
	"os"
	"sync"

	"usher/internal/ownedfile"
)

// File is an audit file that can be reopened after it was rotated away.
type File struct {
	path string
	mu   sync.Mutex
	f    *os.File
}

// OpenFile opens path for appending; it is made with mode 0600.
func OpenFile(path string) (*File, error) {
	a := &File{path: path}
	if err := a.Reopen(); err != nil {
		return nil, err
	}
	return a, nil
}

// Reopen closes the file and opens its path again. On error the old one stays.
func (a *File) Reopen() error {
	// Whoever else made a link there chooses what is written to.
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
