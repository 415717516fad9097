package kv

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/directory/snapshot"
)

// Headers of entries.
const (
	headerOperation = "KV-Operation"
	headerChange    = "Usher-Change"  // id of the change that made an entry
	headerLeft      = "Usher-Left"    // how many entries of that change come behind it
	headerProject   = "Usher-Project" // whose share of the bucket it takes; without it nobody's
	headerLife      = "Nats-TTL"      // after which a message expires

	headerBatch    = "Nats-Batch-Id" // of a message that came with others, as a whole (ADR-50 of NATS)
	headerNumber   = "Nats-Batch-Sequence"
	headerComplete = "Nats-Batch-Commit" // of the last of them
)

const (
	maxApplied = 20_000      // entries that are taken over at once
	restLimit  = time.Second // for what is held back to be whole; then it is asked whether more comes
)

// follower takes over one consumer's messages. Replicas see a change as a whole,
// and of a bucket that is loaded nothing before they have seen all: a consumer
// may be at a server that is behind the others.
type follower struct {
	s       *Store
	stream  jetstream.Stream
	caught  func()
	asked   time.Time         // when the bucket was asked what follows
	bucket  time.Time         // when it was made
	newest  uint64            // the newest message that it held then
	end     uint64            // how far it had counted
	load    *snapshot.Builder // while everything is read
	charges *charges          // of what has come
	at      uint64            // the last message that came
	written time.Time         // and when it was written
	whole   uint64            // the last message of the change that at belongs to
	since   uint64            // every message from here to at has come
	from    uint64            // how far it had come when newest was asked for
	sure    bool              // that what has been loaded is all
	seen    uint64            // messages of this consumer
	left    uint64            // messages behind at that can come now
	entries []directory.Entry
	decoder decoder
}

// run takes messages over until there are no more.
func (f *follower) run(ctx context.Context, messages jetstream.MessagesContext) error {
	for {
		if err := f.complete(ctx); err != nil {
			return err
		}
		f.settle()
		m, err := f.next(messages)
		switch {
		case errors.Is(err, nats.ErrTimeout):
			if err := f.ask(ctx); err != nil {
				return err
			}
			if f.at >= f.newest { // what it waited for is gone, and not only slow
				f.whole, f.left = 0, 0
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

// complete finds out whether what has come of a bucket that is loaded is all. What
// is overwritten before it was sent never comes, and what it was overwritten with
// may be still to come: from the leader, if the server of this consumer is catching
// up. So the leader is asked once more how far it is. If everything from here to
// there comes without a gap, there is nothing that was overwritten still later.
func (f *follower) complete(ctx context.Context) error {
	for f.load != nil && !f.sure && f.at >= f.newest {
		if f.since <= f.from+1 || f.at == f.from {
			f.sure = true
			return nil
		}
		if f.left > 0 {
			return nil
		}
		if err := f.ask(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ask asks the leader how far it is.
func (f *follower) ask(ctx context.Context) error {
	f.from = f.at
	ctx, done := context.WithTimeout(ctx, beginLimit)
	defer done()
	return insist(ctx, func(ctx context.Context) error {
		asked := f.s.cfg.Now()
		info, err := f.stream.Info(ctx)
		if err != nil {
			return err
		}
		if !info.Created.Equal(f.bucket) {
			return errOther
		}
		f.asked, f.end = asked, info.State.LastSeq
		newest, err := f.s.newest(ctx, f.end)
		f.newest = newest.Sequence
		return err
	})
}

func (f *follower) next(messages jetstream.MessagesContext) (jetstream.Msg, error) {
	if f.load == nil && f.at > f.s.current.Load().revision || f.load != nil && f.at >= f.newest {
		return messages.Next(jetstream.NextMaxWait(restLimit))
	}
	return messages.Next()
}

// message takes one message.
func (f *follower) message(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	f.seen++
	f.s.came.Add(1)
	if meta.Sequence.Consumer != f.seen {
		return errGap
	}
	if meta.Sequence.Stream != f.at+1 {
		f.since = meta.Sequence.Stream
	}
	f.at, f.written, f.left = meta.Sequence.Stream, meta.Timestamp, meta.NumPending
	f.whole = f.at + rest(m.Headers())
	f.s.waiting.came(f.at, m.Headers().Get(headerChange))
	size := sizeOf(m.Subject(), m.Headers(), m.Data())
	if f.load == nil {
		f.s.usage.since.Add(size)
	}
	f.charges.wrote(f.name(m), chargeOf(m.Headers(), size, f.written), f.s.cfg.Now())
	if f.turn(m) {
		return nil
	}
	if e, ok := f.entry(m); ok {
		if f.load != nil {
			f.load.Add(&e)
		} else {
			f.entries = append(f.entries, e)
		}
	}
	return nil
}

// turn notes whose turn it is, and reports whether the message says nothing else.
func (f *follower) turn(m jetstream.Msg) (only bool) {
	of := m.Headers().Get(headerTurn)
	only = m.Subject() == subjectOf(f.s.cfg.Bucket, turnName)
	switch {
	case f.load != nil: // from another time
	case only && removes(m):
		f.s.turns.over(of)
	case only:
		f.s.turns.asked(of, f.s.cfg.Now())
	case f.whole == f.at:
		f.s.turns.made(of)
	}
	return only
}

// rest returns how many messages of the same change come behind one. It believes
// that only of those that the server has taken as a whole: whoever writes messages
// by hand could have everybody wait for what never comes.
func rest(h nats.Header) uint64 {
	if h.Get(headerBatch) == "" || h.Get(headerComplete) != "" {
		return 0
	}
	n, err := strconv.ParseUint(h.Get(headerLeft), 10, 64)
	if err != nil || n >= directory.MaxChange {
		return 0
	}
	return n
}

// revision is how far the bucket has been read.
func (f *follower) revision() uint64 {
	if f.at >= f.newest {
		return max(f.at, f.end)
	}
	return f.at
}

// settle puts what has come into use, if it is a directory as it was.
func (f *follower) settle() {
	s, all := f.s, f.at >= f.newest
	switch {
	case f.revision() < f.whole:
		return
	case f.load != nil && !f.sure:
		return
	case f.load == nil && f.left > 0 && len(f.entries) < maxApplied:
		return
	}
	s.taking.Store(true)
	defer s.taking.Store(false)
	next := &state{revision: f.revision(), bucket: f.bucket}
	if next.revision == f.at {
		next.written = f.written
	}
	var changed Changed
	var problems directory.Problems
	st := s.current.Load()
	switch {
	case f.load != nil:
		next.snapshot, problems = f.load.Snapshot()
		f.load, changed.Loaded = nil, true
		s.charges.Store(f.charges)
		f.say(next.snapshot)
	case len(f.entries) > 0:
		next.snapshot, changed.Users, problems = st.snapshot.Apply(f.entries)
		f.entries = nil
	default:
		next.snapshot = st.snapshot
	}
	s.faults.problems(next.revision, problems)
	checked := int64(0) // as it was
	if all && f.caught != nil {
		checked = f.asked.UnixNano()
		defer f.caught()
		f.caught = nil
	}
	switch {
	case changed.Loaded || next.revision != st.revision:
		s.take(next, changed, checked)
	case checked != 0:
		s.checked.Store(checked)
	}
}

func (f *follower) say(snapshot *snapshot.Snapshot) {
	size := snapshot.Size()
	f.s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "directory loaded", slog.String("bucket", f.s.cfg.Bucket),
		slog.Uint64("revision", f.revision()), slog.Int("users", size.Users), slog.Int("keys", size.Keys), slog.Int("projects", size.Projects),
		slog.Int("topics", size.Topics), slog.Int("subscriptions", size.Subscriptions))
	if usage := f.s.usage.now(); usage.Limit == 0 && f.s.cfg.MaxBytes > 0 {
		f.s.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "the bucket has no max_bytes: it grows until the disk of its servers is full",
			slog.String("bucket", f.s.cfg.Bucket), slog.Int64("bytes", usage.Bytes), slog.Int64("configured", f.s.cfg.MaxBytes))
	}
}

// name returns the key of the entry that a message is about.
func (f *follower) name(m jetstream.Msg) string {
	return strings.TrimPrefix(m.Subject(), subjectOf(f.s.cfg.Bucket, ""))
}

// entry reads one message. What it cannot read it reports: an entry of which
// nobody knows what it says gives nobody anything.
func (f *follower) entry(m jetstream.Msg) (directory.Entry, bool) {
	faults := &f.s.faults
	name := f.name(m)
	key, err := directory.ParseEntryKey(name)
	if err != nil {
		if !removes(m) {
			faults.add(name, f.at, err.Error())
		} else {
			faults.mended(name)
		}
		return directory.Entry{}, false
	}
	e := directory.Entry{Key: key, Revision: f.at}
	if removes(m) {
		faults.mended(name)
		return e, true
	}
	if m.Headers().Get(headerLife) != "" {
		err = errExpires
	} else if e.Value, err = f.decoder.decode(key.Kind, m.Data()); err == nil {
		err = e.Check()
	}
	if err != nil {
		faults.add(name, f.at, err.Error())
		e.Value = &directory.Unreadable{}
		return e, true
	}
	faults.mended(name)
	return e, true
}

// removes reports whether a message says that its entry is gone.
func removes(m jetstream.Msg) bool {
	op := m.Headers().Get(headerOperation)
	return op == "DEL" || op == "PURGE" || m.Headers().Get(nats.MsgRollup) != ""
}
