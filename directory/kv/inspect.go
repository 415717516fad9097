package kv

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"usher/directory/kv/diskcache"
	"usher/directory/snapshot"
)

// Inspect returns the state and configuration of the bucket's stream, and creates no
// bucket. The error is ErrNoBucket, ErrBucket, or that of JetStream.
func Inspect(ctx context.Context, cfg Config) (*jetstream.StreamInfo, error) {
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

// ReadCache reads the file that Config.Cache names as Open does: all of it or nothing.
// The error is fs.ErrNotExist if there is none.
func ReadCache(path, bucket string) (*snapshot.Snapshot, Status, error) {
	c, err := diskcache.Read(path, bucket)
	if err != nil {
		return nil, Status{}, err
	}
	return c.Snapshot, Status{Loaded: true, Revision: c.Revision, Checked: c.Checked}, nil
}
