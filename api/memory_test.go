package api_test

import (
	"context"
	"sync"
	"sync/atomic"

	"usher/directory"
)

// memory is a store without a server, for fuzzing.
type memory struct {
	mu       sync.Mutex
	current  atomic.Pointer[directory.Snapshot]
	revision uint64
}

func newMemory() *memory {
	m := &memory{}
	m.current.Store(directory.Empty())
	return m
}

func (m *memory) Snapshot() *directory.Snapshot { return m.current.Load() }

func (m *memory) Change(_ context.Context, f func(*directory.Snapshot) ([]directory.Entry, error)) (*directory.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries, err := f(m.Snapshot())
	if err != nil {
		return nil, err
	}
	for i := range entries {
		m.revision++
		entries[i].Revision = m.revision
	}
	next, err := m.Snapshot().Try(entries)
	if err != nil {
		return nil, err
	}
	m.current.Store(next)
	return next, nil
}
