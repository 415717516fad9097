package kv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"usher/directory"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

// ErrUnavailable: the bucket cannot be reached, or does not accept changes. The change
// was committed as a whole or not at all, and it is not known which.
var ErrUnavailable = errors.New("the directory cannot be changed now")

// errConflict: another change was committed first.
var errConflict = errors.New("the directory has changed")

const (
	publishTimeout = time.Second      // for one reply of the server; sending twice commits once
	commitTimeout  = 15 * time.Second // until the server accepts a change; electing a leader takes less
	changeTimeout  = 30 * time.Second // for a whole change, however many others there are
)

// Change commits the change that f returns for the current directory. The change is
// checked against all rules; the error is directory.Problems if it breaks one. It is
// committed only on the directory that was passed to f: if that has changed, Change
// calls f again. Up to directory.MaxChange entries are committed at once; a larger
// change is committed in parts of that size. If f returns an error, Change returns that
// error, and nothing has changed. Before it refuses a change, Change makes sure that it
// has the latest directory.
//
// The snapshot returned contains the change, and is in use here. Replicas follow.
func (s *Store) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	w := &writer{s: s, by: authorOf(ctx)}
	if err := w.acquire(ctx); err != nil {
		return nil, err
	}
	defer w.release()
	for {
		st := s.current.Load()
		if st == nil {
			return nil, fmt.Errorf("%w: it is not loaded yet", ErrUnavailable)
		}
		if w.waitForTickets(ctx) {
			continue
		}
		entries, err := f(st.snapshot)
		w.by = authorOf(ctx)
		if err == nil {
			_, err = st.snapshot.Try(entries[:min(len(entries), directory.MaxChange)])
		}
		if err != nil {
			if s.catchUp(ctx, st) {
				continue
			}
			return nil, err
		}
		next, err := s.commitAll(ctx, w, st, entries)
		if errors.Is(err, errConflict) {
			if _, err := w.conflict(ctx, st); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		return next.snapshot, nil
	}
}

// catchUp reports whether the bucket was ahead of st, and waits until the store has
// caught up.
func (s *Store) catchUp(ctx context.Context, st *state) bool {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, streamName(s.cfg.Bucket))
	if err != nil {
		return false
	}
	info := stream.CachedInfo()
	if !info.Created.Equal(st.bucketCreated) || info.State.LastSeq <= st.revision {
		return false
	}
	_, err = s.waitForRevision(ctx, st, info.State.LastSeq)
	return err == nil
}

// commitAll commits a change in as many parts as it needs. The first part was checked.
// Later parts are checked against the directory as it is then. Entries that others have
// changed since the change was computed are left out: the change does not know about
// them.
func (s *Store) commitAll(ctx context.Context, w *writer, st *state, entries []directory.Entry) (*state, error) {
	seen := st.snapshot
	for first := true; len(entries) > 0; {
		if !first {
			var err error
			if st, err = s.betweenParts(ctx, w, st); err != nil {
				return nil, err
			}
			entries = slices.DeleteFunc(entries, func(e directory.Entry) bool { return st.snapshot.Revision(e.Key) != seen.Revision(e.Key) })
		}
		part := entries[:min(len(entries), directory.MaxChange)]
		if len(part) == 0 {
			break
		}
		if !first {
			if _, err := st.snapshot.Try(part); err != nil {
				return nil, err
			}
		}
		revision, err := s.commit(ctx, w, st, part)
		switch {
		case errors.Is(err, errConflict) && !first:
			if st, err = w.conflict(ctx, st); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		w.committed()
		if st, err = s.waitForRevision(ctx, st, revision); err != nil {
			return nil, err
		}
		entries, first = entries[len(part):], false
	}
	return st, nil
}

// betweenParts lets other writers commit between two parts of a change, here and at
// other replicas, and returns the state after that.
func (s *Store) betweenParts(ctx context.Context, w *writer, st *state) (*state, error) {
	if err := w.yield(ctx); err != nil {
		return nil, err
	}
	for {
		next, err := s.waitForRevision(ctx, st, st.revision)
		if err != nil {
			return nil, err
		}
		if st = next; !w.waitForTickets(ctx) {
			return st, nil
		}
	}
}

// commit writes entries at once, if the bucket is still at the revision of st. If it
// does not learn the outcome, it sends them again: only one copy can be accepted.
func (s *Store) commit(ctx context.Context, w *writer, st *state, entries []directory.Entry) (uint64, error) {
	id, base, n := nuid.Next(), st.revision, uint64(len(entries))
	messages, err := s.messages(id, base, w.by, entries)
	if err != nil {
		return 0, err
	}
	if err := s.checkSpace(w.by, st.snapshot, entries, messages); err != nil {
		return 0, err
	}
	if w.ticketTaken {
		messages[len(messages)-1].Header.Set(headerTicket, w.ticket)
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	sending, decided := context.WithCancel(ctx)
	defer decided()
	s.inFlight.add(id, &sent{base: base, n: n, decided: decided})
	defer s.inFlight.remove(id)
	if s.inFlight.outcome(id) == outcomeConflict {
		return 0, errConflict
	}
	for resent := false; ; resent = true {
		attempt, endAttempt := context.WithCancel(sending)
		s.inFlight.onReplyLost(id, endAttempt)
		revision, err := s.publish(attempt, messages)
		endAttempt()
		if err == nil {
			return revision, nil
		}
		if errors.Is(err, errConflict) && resent {
			if _, err := s.waitForRevision(ctx, st, base+1); err != nil {
				return 0, err
			}
		}
		switch s.inFlight.outcome(id) {
		case outcomeCommitted:
			return base + n, nil
		case outcomeConflict:
			return 0, errConflict
		case outcomeUnknown:
		}
		switch {
		case errors.Is(err, errConflict) && !resent:
			return 0, errConflict
		case errors.Is(err, errNotStored) && s.usage.Overflows(quota.TotalSize(messages)):
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		case errors.Is(err, errConflict):
			return 0, fmt.Errorf("%w: the outcome is not known, other changes have overwritten it", ErrUnavailable)
		case ctx.Err() != nil || errors.Is(err, errRefused) || errors.Is(err, nats.ErrConnectionClosed):
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		sleep(sending, minRetryDelay, nil)
	}
}
