package transfer

import (
	"context"
	"fmt"

	"usher/directory"
	"usher/directory/lockout"
	"usher/directory/snapshot"
)

// Store stores a directory; see kv.Store.
type Store interface {
	Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)
}

// Run carries out a plan. Each part is checked against the directory as it is then, so
// a change by somebody else can make a part fail. A change by somebody else to an entry
// of the plan is overwritten. The error says how many entries were changed before; a new
// plan does the rest. The error is ErrLockout if a part would lock out all service
// administrators because somebody else has changed them. progress may be nil.
//
// Run returns the snapshot after the last part; nil: nothing had to change.
func Run(ctx context.Context, store Store, p *Plan, progress func(done, total int)) (last *snapshot.Snapshot, err error) {
	done := 0
	for chunk := range p.Chunks() {
		last, err = store.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
			if lockout.By(s, chunk, p.now) {
				return nil, ErrLockout
			}
			return chunk, nil
		})
		if err != nil {
			return nil, fmt.Errorf("changed %d of %d entries: %w", done, p.Len(), err)
		}
		done += len(chunk)
		if progress != nil {
			progress(done, p.Len())
		}
	}
	return last, nil
}
