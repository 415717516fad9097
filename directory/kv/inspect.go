package kv

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"usher/directory/snapshot"
)

// Look returns how the bucket is kept, and makes none. The error is ErrNoBucket,
// ErrBucket, or that of JetStream.
func Look(ctx context.Context, cfg Config) (*jetstream.StreamInfo, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	cfg.Create = false
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("directory kv: %w", err)
	}
	s := &Store{cfg: cfg, js: js}
	stream, err := s.stream(ctx)
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// Cached reads the file that Config.Cache names, all of it or nothing, as Open
// does. The error is fs.ErrNotExist if there is none.
func Cached(path, bucket string) (*snapshot.Snapshot, Status, error) {
	s := &Store{cfg: Config{Cache: path, Bucket: bucket}, faults: faults{log: slog.New(slog.DiscardHandler)}}
	st, _, checked, err := s.readCache()
	if err != nil {
		return nil, Status{}, err
	}
	return st.snapshot, Status{Loaded: true, Revision: st.revision, Checked: checked}, nil
}
