package kv

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/directory/kv/envelope"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

const (
	maxUnapplied = 20_000      // entries that are collected before they are applied
	restTimeout  = time.Second // for the rest of a change; then the leader is asked whether there is more
)

// follower applies the messages of one consumer. A replica applies a change as a whole,
// and uses a bucket that it loads only when it has all of it: a consumer may be on a
// server that is behind the others.
type follower struct {
	s             *Store
	stream        jetstream.Stream
	bucketCreated time.Time
	caughtUp      func()

	// What the leader has reported.
	requested    time.Time // when it was asked
	newest       uint64    // sequence of the newest message
	lastSequence uint64    // of the stream; newer than newest if delete markers have expired
	askedAt      uint64    // value of revision when it was asked

	// What has arrived.
	revision  uint64    // the last message
	written   time.Time // when it was written
	changeEnd uint64    // the last message of the change to which it belongs
	gapless   uint64    // every message from here to revision has arrived
	received  uint64    // number of messages of this consumer
	pending   uint64    // number of messages that the server can send now

	// What was not applied yet.
	builder  *snapshot.Builder // while the whole bucket is read
	complete bool              // builder has all of it
	entries  []directory.Entry
	charges  *quota.Charges
	decoder  envelope.Decoder
}

// run applies messages until an error occurs.
func (f *follower) run(ctx context.Context, messages jetstream.MessagesContext) error {
	for {
		if err := f.checkComplete(ctx); err != nil {
			return err
		}
		f.apply()
		m, err := f.next(messages)
		switch {
		case errors.Is(err, nats.ErrTimeout):
			if err := f.askLeader(ctx); err != nil {
				return err
			}
			if f.revision >= f.newest { // the rest of the change does not exist any more
				f.changeEnd, f.pending = 0, 0
			}
		case err != nil:
			return err
		default:
			if err := f.message(m); err != nil {
				return err
			}
		}
	}
}

// checkComplete finds out whether all of a bucket that is loaded has arrived. A message
// that was overwritten before it was sent never arrives. The message that has
// overwritten it may arrive later from the leader, if the server of this consumer is
// catching up. So the leader is asked again for its newest message. If all messages up
// to that one arrive without a gap, none of them was overwritten by a later one.
func (f *follower) checkComplete(ctx context.Context) error {
	for f.builder != nil && !f.complete && f.revision >= f.newest {
		if f.gapless <= f.askedAt+1 || f.revision == f.askedAt {
			f.complete = true
			return nil
		}
		if f.pending > 0 {
			return nil
		}
		if err := f.askLeader(ctx); err != nil {
			return err
		}
	}
	return nil
}

// askLeader asks the leader for its newest message.
func (f *follower) askLeader(ctx context.Context) error {
	f.askedAt = f.revision
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return retryTimeouts(ctx, func(ctx context.Context) error {
		requested := f.s.cfg.Now()
		info, err := f.stream.Info(ctx)
		if err != nil {
			return err
		}
		if !info.Created.Equal(f.bucketCreated) {
			return errOtherBucket
		}
		f.requested, f.lastSequence = requested, info.State.LastSeq
		newest, err := f.s.newestMessage(ctx, f.lastSequence)
		f.newest = newest.Sequence
		return err
	})
}

func (f *follower) next(messages jetstream.MessagesContext) (jetstream.Msg, error) {
	if f.builder == nil && f.revision > f.s.current.Load().revision || f.builder != nil && f.revision >= f.newest {
		return messages.Next(jetstream.NextMaxWait(restTimeout))
	}
	return messages.Next()
}

// message takes in one message.
func (f *follower) message(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	f.received++
	f.s.received.Add(1)
	if meta.Sequence.Consumer != f.received {
		return errGap
	}
	if meta.Sequence.Stream != f.revision+1 {
		f.gapless = meta.Sequence.Stream
	}
	f.revision, f.written, f.pending = meta.Sequence.Stream, meta.Timestamp, meta.NumPending
	f.changeEnd = f.revision + messagesLeft(m.Headers())
	f.s.inFlight.messageReceived(f.revision, m.Headers().Get(headerChange))
	size := quota.MessageSize(m.Subject(), m.Headers(), m.Data())
	if f.builder == nil {
		f.s.usage.Add(size)
	}
	f.charges.Record(f.name(m), chargeOf(m.Headers(), size, f.written), f.s.cfg.Now())
	if f.ticket(m) {
		return nil
	}
	if e, ok := f.entry(m); ok {
		if f.builder != nil {
			f.builder.Add(&e)
		} else {
			f.entries = append(f.entries, e)
		}
	}
	return nil
}

// ticket records what a message does to a ticket. It reports whether the message does
// nothing else.
func (f *follower) ticket(m jetstream.Msg) (only bool) {
	id := m.Headers().Get(headerTicket)
	only = m.Subject() == subjectOf(f.s.cfg.Bucket, ticketName)
	switch {
	case f.builder != nil: // an old message
	case only && isRemoval(m):
		f.s.tickets.Closed(id)
	case only:
		f.s.tickets.Opened(id, f.s.cfg.Now())
	case f.changeEnd == f.revision:
		f.s.tickets.Committed(id)
	}
	return only
}

// messagesLeft returns the number of messages of the same change that follow a message.
// It only trusts messages of an atomic batch, which the server has accepted as a whole.
// Otherwise a message written by hand could make all replicas wait for a message that
// never arrives.
func messagesLeft(h nats.Header) uint64 {
	if h.Get(headerBatch) == "" || h.Get(headerBatchCommit) != "" {
		return 0
	}
	n, err := strconv.ParseUint(h.Get(headerLeft), 10, 64)
	if err != nil || n >= directory.MaxChange {
		return 0
	}
	return n
}

// bucketRevision returns how far the bucket has been read.
func (f *follower) bucketRevision() uint64 {
	if f.revision >= f.newest {
		return max(f.revision, f.lastSequence)
	}
	return f.revision
}

// apply puts what has arrived into use, if it is a directory that existed: all of a
// change, and all of a bucket that is loaded.
func (f *follower) apply() {
	s, upToDate := f.s, f.revision >= f.newest
	switch {
	case f.bucketRevision() < f.changeEnd:
		return
	case f.builder != nil && !f.complete:
		return
	case f.builder == nil && f.pending > 0 && len(f.entries) < maxUnapplied:
		return
	}
	s.applying.Store(true)
	defer s.applying.Store(false)
	next := &state{revision: f.bucketRevision(), bucketCreated: f.bucketCreated}
	if next.revision == f.revision {
		next.written = f.written
	}
	var changed Changed
	var problems directory.Problems
	st := s.current.Load()
	switch {
	case f.builder != nil:
		next.snapshot, problems = f.builder.Snapshot()
		f.builder, changed.Loaded = nil, true
		s.charges.Store(f.charges)
		f.logLoaded(next.snapshot)
	case len(f.entries) > 0:
		next.snapshot, changed.Users, problems = st.snapshot.Apply(f.entries)
		changed.Everybody = concernsEverybody(st.snapshot, next.snapshot, f.entries)
		f.entries = nil
	default:
		next.snapshot = st.snapshot
	}
	s.faults.addProblems(next.revision, problems)
	checked := int64(0) // unchanged
	if upToDate && f.caughtUp != nil {
		checked = f.requested.UnixNano()
		defer f.caughtUp()
		f.caughtUp = nil
	}
	switch {
	case changed.Loaded || next.revision != st.revision:
		s.replace(next, changed, checked)
	case checked != 0:
		s.checked.Store(checked)
	}
}

func (f *follower) logLoaded(next *snapshot.Snapshot) {
	size := next.Size()
	f.s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "directory loaded", slog.String("bucket", f.s.cfg.Bucket),
		slog.Uint64("revision", f.bucketRevision()), slog.Int("users", size.Users), slog.Int("keys", size.Keys), slog.Int("projects", size.Projects),
		slog.Int("topics", size.Topics), slog.Int("subscriptions", size.Subscriptions))
	if usage := f.s.usage.Usage(); usage.Limit == 0 && f.s.cfg.MaxBytes > 0 {
		f.s.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "the bucket has no max_bytes and can fill the disks of its servers",
			slog.String("bucket", f.s.cfg.Bucket), slog.Int64("bytes", usage.Bytes), slog.Int64("configured", f.s.cfg.MaxBytes))
	}
}
