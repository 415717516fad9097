package kv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/directory/kv/envelope"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

// Errors of changes for which there is no space. Removals, and changes that make no
// entry longer, are still accepted.
var (
	ErrFull  = errors.New("the bucket of the directory is nearly full")
	ErrShare = errors.New("the project has used up its share of the bucket")
)

// checkSpace reports whether there is space for entries, which messages encode: in the
// bucket, and in the share of the project that is charged for them.
func (s *Store) checkSpace(by Author, at *snapshot.Snapshot, entries []directory.Entry, messages []*nats.Msg) error {
	size, tolerance := quota.TotalSize(messages), 0
	if by.Project == uuid.Nil {
		tolerance = growthTolerance
	}
	if u := s.usage.Usage(); u.Limit > 0 && u.Bytes+size > u.GrowthLimit() && grows(at, entries, messages, tolerance) {
		s.usage.RefusedFull()
		return fmt.Errorf("%w: it holds %d bytes of %d, and the rest is kept for removals", ErrFull, u.Bytes, u.Limit)
	}
	share := s.cfg.MaxProjectBytes
	if by.Project == uuid.Nil || share <= 0 {
		return nil
	}
	names := make([]string, len(entries))
	for i := range entries {
		names[i] = entries[i].Key.String()
	}
	if after, exceeds := s.charges.Load().Exceeds(by.Project, names, size, share, s.cfg.Now()); exceeds && grows(at, entries, messages, tolerance) {
		s.usage.RefusedShare()
		return fmt.Errorf("%w: it would take %d bytes of %d; delete markers of the last %v count", ErrShare, after, share, MarkerLife)
	}
	return nil
}

// growthTolerance is the number of bytes by which an entry may grow in a bucket that is
// nearly full. Disabling a user makes its entry longer.
const growthTolerance = 256

// grows reports whether entries make the directory larger.
func grows(at *snapshot.Snapshot, entries []directory.Entry, messages []*nats.Msg, tolerance int) bool {
	for i := range entries {
		if entries[i].Value == nil {
			continue
		}
		old := at.Value(entries[i].Key)
		if old == nil {
			return true
		}
		before, err := envelope.Encode(old)
		if err != nil || len(messages[i].Data) > len(before)+tolerance {
			return true
		}
	}
	return false
}

// chargeOf reads from the headers of a message which project is charged for it.
func chargeOf(header nats.Header, size int64, written time.Time) (charge quota.Charge) {
	project, err := uuid.Parse(header.Get(headerProject))
	if err != nil {
		return charge
	}
	charge = quota.Charge{Project: project, Size: uint32(min(size, math.MaxUint32))} //nolint:gosec // bounded
	if life, err := time.ParseDuration(header.Get(headerTTL)); err == nil {
		charge.Expires = written.Add(life).Unix()
	}
	return charge
}

// resize gives a bucket that belongs to this store alone the configured size.
func (s *Store) resize(ctx context.Context, stream jetstream.Stream) (jetstream.Stream, error) {
	want := s.cfg.streamConfig().MaxBytes
	config := stream.CachedInfo().Config
	if !s.cfg.Own || config.MaxBytes == want {
		return stream, nil
	}
	config.MaxBytes = want
	return s.js.UpdateStream(ctx, config)
}
