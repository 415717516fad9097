package api_test

import (
	"context"
	"sync"
	"sync/atomic"

	"usher/directory"
	"usher/directory/snapshot"
)

// memory is a store in memory, for fuzzing.
type memory struct {
	mu       sync.Mutex
	current  atomic.Pointer[snapshot.Snapshot]
	revision uint64
}

func newMemory() *memory {
	m := &memory{}
	m.current.Store(snapshot.Empty())
	return m
}

func (m *memory) Snapshot() *snapshot.Snapshot { return m.current.Load() }

func (m *memory) Change(_ context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
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
