package snapshot

import "github.com/google/uuid"

// recentUsers is a direct-mapped cache of a draft's users by id. Entries of one user
// often arrive together, and so do those of one project.
type recentUsers []*userEntry

// fullDraftCacheSize is the size of the cache while a whole directory is built: large
// enough for nearly all members of a project, and small enough for the CPU caches.
const fullDraftCacheSize = 1 << 12

func (r recentUsers) find(hash uint64, id uuid.UUID) *userEntry {
	if e := r[hash%uint64(len(r))]; e != nil && e.id == id {
		return e
	}
	return nil
}

func (r recentUsers) add(hash uint64, e *userEntry) { r[hash%uint64(len(r))] = e }
