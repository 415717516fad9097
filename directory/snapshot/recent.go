package snapshot

import "github.com/google/uuid"

// recent finds users of a draft without the table if they were asked for lately:
// entries of one user often come together, and so do those of one project. Each
// user has one place, by the hash of its id; whoever comes last has it.
type recent []*userEntry

// ofProject is how many places there are while a whole directory is built: enough
// for nearly all of a project, and few enough to stay in the caches.
const ofProject = 1 << 12

func (r recent) find(hash uint64, id uuid.UUID) *userEntry {
	if e := r[hash%uint64(len(r))]; e != nil && e.id == id {
		return e
	}
	return nil
}

func (r recent) add(hash uint64, e *userEntry) { r[hash%uint64(len(r))] = e }
