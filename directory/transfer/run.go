package transfer

import (
	"context"
	"fmt"

	"usher/directory"
	"usher/directory/snapshot"
)

// Store is where a directory is kept: see kv.Store.
type Store interface {
	Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)
}

// Run makes the changes of a plan. Each part is checked on the directory as it is
// then, so that what others change meanwhile can make a part impossible; what
// they change in an entry of the plan is lost. After an error, which says how far
// it came, another plan does the rest. So does one after which nobody could manage
// the directory any more, because others have changed who can (ErrLockout). progress
// may be nil.
//
// It returns the snapshot with all of it in force; nil: nothing had to change.
func Run(ctx context.Context, store Store, p *Plan, progress func(done, total int)) (last *snapshot.Snapshot, err error) {
	done := 0
	for chunk := range p.Chunks() {
		last, err = store.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
			if s.LocksOut(chunk, p.now) {
				return nil, ErrLockout
			}
			return chunk, nil
		})
		if err != nil {
			return nil, fmt.Errorf("%d of %d entries are changed: %w", done, p.Len(), err)
		}
		done += len(chunk)
		if progress != nil {
			progress(done, p.Len())
		}
	}
	return last, nil
}
