package push

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// maxDoubts is how many subscriptions Doubts names.
const maxDoubts = 10

// Doubts says to which subscriptions among entries, which are to be stored, nothing will be
// pushed: the rules refuse their endpoint, or the keys do not open their authorization header. An import
// may have them, because another installation has other rules and keys. s has the projects that
// the entries do not have.
func (h *Handlers) Doubts(ctx context.Context, s *snapshot.Snapshot, entries iter.Seq[directory.Entry]) (all []string) {
	names := map[uuid.UUID]string{}
	for p := range s.Projects() {
		names[p.ID] = p.Name
	}
	left := 0
	doubt := func(e *directory.Entry, format string, args ...any) {
		if len(all) == maxDoubts {
			left++
			return
		}
		all = append(all, fmt.Sprintf("nothing is pushed for subscription "+names[e.Key.Project]+"/"+e.Key.Name+": "+format, args...))
	}
	for e := range entries {
		switch v := e.Value.(type) {
		case *directory.Project:
			names[e.Key.Project] = v.Name
		case *directory.Subscription:
			if v.Push == nil {
				continue
			}
			if err := h.checkAddress(v.Push.Address()); err != nil {
				doubt(&e, "%v", err)
			}
			a := v.Push.Authorization
			if a == nil || h.cfg.Box == nil {
				continue
			}
			if _, err := h.cfg.Box.Open(ctx, a.Sealed, place(&directory.Project{ID: e.Key.Project}, e.Key.Name)); err != nil {
				doubt(&e, "the signing keys do not open its authorization header; usher subscription push rotate-header makes another one")
			}
		}
	}
	if left > 0 {
		all = append(all, fmt.Sprintf("and %d more", left))
	}
	return all
}
