package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// markerLife is how long it stays known that an entry was removed. A replica that
// was away for longer reads everything again.
const markerLife = 30 * 24 * time.Hour

// Storage says where the servers keep the bucket.
type Storage string

// The kinds of storage.
const (
	StorageFile   Storage = "file"
	StorageMemory Storage = "memory"
)

// ErrNoBucket: the bucket is not there, and may not be made.
var ErrNoBucket = errors.New("there is no such bucket")

// ErrBucket: the bucket cannot be used as it is.
var ErrBucket = errors.New("the bucket is not fit for a directory")

func streamName(bucket string) string { return "KV_" + bucket }

func subjectOf(bucket, key string) string { return "$KV." + bucket + "." + key }

// streamConfig is that of a key-value bucket with one value for each key, in
// which several entries can be changed at once. Entries go only through changes:
// nobody can purge it by mistake.
func (c *Config) streamConfig() jetstream.StreamConfig {
	storage := jetstream.FileStorage
	if c.Storage == StorageMemory {
		storage = jetstream.MemoryStorage
	}
	return jetstream.StreamConfig{
		Name: streamName(c.Bucket), Description: "usher's directory: users, projects, ACLs and digests of API keys",
		Subjects: []string{subjectOf(c.Bucket, ">")}, MaxMsgsPerSubject: 1, Storage: storage, Replicas: max(c.Replicas, 1),
		Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true, AllowDirect: true,
		AllowAtomicPublish: true, AllowMsgTTL: true, Duplicates: time.Minute,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
	}
}

// stream returns the bucket's stream, which it makes if that is allowed.
func (s *Store) stream(ctx context.Context) (jetstream.Stream, error) {
	stream, err := s.js.Stream(ctx, streamName(s.cfg.Bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if !s.cfg.Create {
			return nil, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, ErrNoBucket)
		}
		stream, err = s.js.CreateStream(ctx, s.cfg.streamConfig())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another replica was faster
			stream, err = s.js.Stream(ctx, streamName(s.cfg.Bucket))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, err)
	}
	have := stream.CachedInfo().Config
	switch {
	case have.MaxMsgsPerSubject != 1:
		return nil, fmt.Errorf("bucket %s: %w: its history is %d and has to be 1", s.cfg.Bucket, ErrBucket, have.MaxMsgsPerSubject)
	case !have.AllowAtomicPublish:
		return nil, fmt.Errorf("bucket %s: %w: allow_atomic is off; it takes nats-server 2.12 or later", s.cfg.Bucket, ErrBucket)
	case !have.AllowMsgTTL:
		return nil, fmt.Errorf("bucket %s: %w: allow_msg_ttl is off", s.cfg.Bucket, ErrBucket)
	case have.MaxAge != 0:
		return nil, fmt.Errorf("bucket %s: %w: its entries age", s.cfg.Bucket, ErrBucket)
	}
	return stream, nil
}
