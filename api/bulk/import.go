package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"usher/api/apierror"
	"usher/api/projects"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/directory/transfer"
)

// importDirectory plans the import on the current directory, and then changes the
// directory part by part. It reports errors in the file before it changes anything.
func (h *Handlers) importDirectory(r *rest.Request) (*rest.Response, error) {
	mode := r.Query(paramMode)
	if mode != "" && mode != modeMerge && mode != modeReplace {
		return nil, apierror.InvalidParameter(paramMode, modeMerge+" or "+modeReplace)
	}
	dryRun, err := r.Flag(paramDryRun)
	if err != nil {
		return nil, err
	}
	r.DryRun = dryRun
	plan, placement, err := h.plan(r, mode == modeReplace)
	if err != nil {
		return nil, err
	}
	result := &wire.ImportResult{DryRun: dryRun, Entries: plan.Len(), Counts: countsOf(plan.Counts())}
	doubts := h.cfg.Doubts(r.Context(), r.Snapshot, plan.Entries())
	return &rest.Response{ContentType: rest.TypeLines, Warnings: doubts, Stream: func(w http.ResponseWriter) error {
		lines := rest.NewLines(w)
		if dryRun {
			for line := range plan.Lines() {
				lines.Write(wire.ImportLine{Diff: line})
			}
		} else if err := h.run(r, plan, placement, lines); err != nil {
			body := r.ErrorBody(apierror.From(err)).Error
			lines.Send(wire.ImportLine{Error: &body})
			r.ErrorSent = lines.Err() == nil
			return err
		}
		lines.Send(wire.ImportLine{Result: result})
		var err error
		r.Change.After, err = json.Marshal(result)
		return errors.Join(err, lines.Err())
	}}, nil
}

// run creates the accounts of a plan, and makes its changes. Each part checks the caller's
// rights in the directory that it is made on. The plan removes the caller's
// own rights last.
func (h *Handlers) run(r *rest.Request, plan *transfer.Plan, placement projects.Placement, lines *rest.Lines) error {
	if err := h.cfg.Projects.CreateAccounts(r, placement.Created, func(done, total int) {
		lines.Send(wire.ImportLine{Accounts: true, Done: done, Total: total})
	}); err != nil {
		return err
	}
	changed := 0
	check := func(s *snapshot.Snapshot) error {
		if err := r.Reauthorize(s); err != nil {
			return err
		}
		return h.cfg.Projects.CheckPlacement(placement)
	}
	last, err := transfer.Run(r.Context(), checkedStore{r.Store(), check}, plan, func(done, total int) {
		changed = done
		lines.Send(wire.ImportLine{Done: done, Total: total})
	})
	if err == nil {
		if last != nil {
			r.Change.Revision = last.Latest()
		}
		return nil
	}
	e := *apierror.From(err)
	return e.WithDetails(fmt.Sprintf("%d of %d entries were changed; another import makes the other changes", changed, plan.Len()))
}

// checkedStore is a store that calls check before each change.
type checkedStore struct {
	store rest.Store
	check func(*snapshot.Snapshot) error
}

// Change implements transfer.Store.
func (s checkedStore) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	return s.store.Change(ctx, func(at *snapshot.Snapshot) ([]directory.Entry, error) {
		if err := s.check(at); err != nil {
			return nil, err
		}
		return f(at)
	})
}

func countsOf(c transfer.Counts) wire.ImportCounts {
	count := func(n transfer.Count) wire.ImportCount { return wire.ImportCount(n) }
	return wire.ImportCounts{
		Users: count(c.Users), Keys: count(c.Keys), Projects: count(c.Projects), Members: count(c.Members),
		Topics: count(c.Topics), Subscriptions: count(c.Subscriptions), ACLs: count(c.ACLs), Bans: count(c.Bans),
	}
}
