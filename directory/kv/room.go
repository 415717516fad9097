package kv

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/directory/snapshot"
)

// Errors of changes for which there is no room. Removals, and changes that make
// nothing longer, are made all the same.
var (
	ErrFull  = errors.New("the bucket of the directory is nearly full")
	ErrShare = errors.New("the project has used up its share of the bucket")
)

// Usage is how much a bucket holds.
type Usage struct {
	Messages uint64 // entries, and marks of removed ones
	Bytes    int64
	Limit    int64 // the stream's max_bytes; 0: none

	RefusedFull  uint64 // changes for ErrFull, since the start
	RefusedShare uint64 // changes for ErrShare, since the start
}

// Near reports whether a bucket takes nothing that makes it larger. A fifth is kept
// for removals: the mark of a removed entry can be longer than the entry was, and a
// cluster wants room for it before the entry goes.
func (u *Usage) Near() bool { return u.Limit > 0 && u.Bytes > u.Grows() }

// Grows returns up to how many bytes a bucket grows.
func (u *Usage) Grows() int64 { return u.Limit / 5 * 4 }

// usage is what the bucket was last known to hold.
type usage struct {
	last          atomic.Pointer[Usage]
	since         atomic.Int64 // bytes that have come since then
	full, overrun atomic.Uint64
}

// UsageOf returns how much a bucket holds by what its server says.
func UsageOf(info *jetstream.StreamInfo) Usage {
	return Usage{
		Messages: info.State.Msgs, Bytes: int64(info.State.Bytes), //nolint:gosec // it fits on a disk
		Limit: max(info.Config.MaxBytes, 0),
	}
}

// told notes what the bucket holds; had is what had come before it was asked.
func (u *usage) told(info *jetstream.StreamInfo, had int64) {
	now := UsageOf(info)
	u.last.Store(&now)
	u.since.Add(-had)
}

func (u *usage) now() Usage {
	var now Usage
	if last := u.last.Load(); last != nil {
		now = *last
	}
	now.Bytes += u.since.Load()
	now.RefusedFull, now.RefusedShare = u.full.Load(), u.overrun.Load()
	return now
}

// exceeds reports whether there is no room at all for messages.
func (u *usage) exceeds(messages []*nats.Msg) bool {
	now := u.now()
	return now.Limit > 0 && now.Bytes+sizeOfAll(messages) > now.Limit
}

func sizeOfAll(messages []*nats.Msg) (size int64) {
	for _, m := range messages {
		size += sizeOf(m.Subject, m.Header, m.Data)
	}
	return size
}

// room reports whether there is room for entries, which messages encode: in the
// bucket, and in the share of the project that is charged for them.
func (s *Store) room(by Author, at *snapshot.Snapshot, entries []directory.Entry, messages []*nats.Msg) error {
	size, slack := sizeOfAll(messages), 0
	if by.Project == uuid.Nil {
		slack = usualGrowth
	}
	if now := s.usage.now(); now.Limit > 0 && now.Bytes+size > now.Grows() && grows(at, entries, messages, slack) {
		s.usage.full.Add(1)
		return fmt.Errorf("%w: it holds %d bytes of %d, and what is left is kept for removals", ErrFull, now.Bytes, now.Limit)
	}
	most := s.cfg.MaxProjectBytes
	if by.Project == uuid.Nil || most <= 0 {
		return nil
	}
	names := make([]string, len(entries))
	for i := range entries {
		names[i] = entries[i].Key.String()
	}
	if after, over := s.charges.Load().takes(by.Project, names, size, most, s.cfg.Now()); over && grows(at, entries, messages, slack) {
		s.usage.overrun.Add(1)
		return fmt.Errorf("%w: it would take %d bytes of %d; marks of what was removed within the last %v count", ErrShare, after, most, MarkerLife)
	}
	return nil
}

// usualGrowth is by how much an entry may grow in a bucket that is nearly full: a
// user that is disabled gets longer.
const usualGrowth = 256

// grows reports whether entries make the directory larger.
func grows(at *snapshot.Snapshot, entries []directory.Entry, messages []*nats.Msg, slack int) bool {
	for i := range entries {
		if entries[i].Value == nil {
			continue
		}
		old := at.Value(entries[i].Key)
		if old == nil {
			return true
		}
		was, err := encode(old)
		if err != nil || len(messages[i].Data) > len(was)+slack {
			return true
		}
	}
	return false
}

// resize gives a bucket that is this store's alone the size that its configuration
// says.
func (s *Store) resize(ctx context.Context, stream jetstream.Stream) (jetstream.Stream, error) {
	want := s.cfg.streamConfig().MaxBytes
	config := stream.CachedInfo().Config
	if !s.cfg.Own || config.MaxBytes == want {
		return stream, nil
	}
	config.MaxBytes = want
	return s.js.UpdateStream(ctx, config)
}
