package rest

import (
	"context"

	"usher/api/apierror"
	"usher/directory"
	"usher/directory/snapshot"
)

// ReadOnlyStore is a directory that requests can read, and that is edited elsewhere. Every
// request that would change it is refused before its handler is called.
type ReadOnlyStore struct {
	Directory interface{ Snapshot() *snapshot.Snapshot }
	Edited    string // where and how the directory is edited, for people
}

// Snapshot implements Store.
func (s ReadOnlyStore) Snapshot() *snapshot.Snapshot { return s.Directory.Snapshot() }

// Change implements Store: it refuses every change.
func (s ReadOnlyStore) Change(context.Context, func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	return nil, s.refuse()
}

func (s ReadOnlyStore) refuse() *apierror.Error { return apierror.DirectoryElsewhere(s.Edited) }

// checkDirectory refuses a request that would change a directory which is edited elsewhere.
func (r *Request) checkDirectory() error {
	if s, ok := r.router.cfg.Store.(ReadOnlyStore); ok && r.Route.changesDirectory() {
		return s.refuse()
	}
	return nil
}
