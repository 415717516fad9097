package snapshot

import "usher/directory"

// Builder builds one snapshot from entries that arrive one by one and in any order, as
// Apply accepts them. It must not be used concurrently.
type Builder struct{ d *draft }

// NewBuilder returns a Builder for an empty directory.
func NewBuilder() *Builder { return &Builder{d: newFullDraft()} }

// Add adds one entry. Its value belongs to the snapshot from then on.
func (b *Builder) Add(e *directory.Entry) { b.d.apply(e) }

// Snapshot returns the snapshot, and the faults of its entries.
func (b *Builder) Snapshot() (*Snapshot, directory.Problems) {
	s := b.d.commit()
	return s, b.d.allProblems()
}
