package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"

	"usher/config"
	"usher/devserver"
	"usher/directory"
	"usher/directory/file"
	"usher/directory/kv"
)

// directoryStore is a directory, wherever it is kept.
type directoryStore interface {
	Snapshot() *directory.Snapshot // nil: nothing is loaded yet
	LoadedAt() time.Time
	Run(ctx context.Context) error
	Reload() error
	Close() error
}

// fileStore is a directory that is a file.
type fileStore struct{ *file.Store }

func (fileStore) Close() error { return nil }

// kvStore is a directory that is a bucket, in the servers or within this process.
type kvStore struct {
	*kv.Store
	conn     *nats.Conn
	embedded *devserver.Store // nil: the servers keep it
}

// LoadedAt returns when the directory in use was known to be that of the bucket.
func (s *kvStore) LoadedAt() time.Time { return s.Status().Checked }

// Reload does nothing: a bucket is followed.
func (*kvStore) Reload() error { return nil }

func (s *kvStore) Close() error {
	s.conn.Close()
	if s.embedded != nil {
		return s.embedded.Stop()
	}
	return nil
}

// openDirectory opens the directory of a configuration. One that is a file is
// loaded then; a bucket is followed by Run.
func openDirectory(cfg *config.Config, log *slog.Logger, now func() time.Time, on told) (directoryStore, error) {
	if cfg.Directory.From == config.DirectoryFile {
		s, err := file.Open(file.Config{Path: cfg.Directory.File, Log: log, Now: now, OnReload: on.directory})
		if err != nil {
			return nil, configError(fmt.Errorf("directory: %w", err))
		}
		return fileStore{s}, nil
	}
	s := &kvStore{}
	if err := s.connect(cfg, log, now); err != nil {
		return nil, err
	}
	c := kv.Config{
		Conn: s.conn, Bucket: cfg.Directory.Bucket, Create: cfg.Directory.CreateBucket || s.embedded != nil,
		Replicas: cfg.Directory.Replicas, Storage: kv.Storage(cfg.Directory.Storage), Cache: cfg.Directory.SnapshotFile,
		ReadOnly: on.changed == nil, // a command that only looks, maybe as another user
		Log:      log, Now: now, OnChange: on.changed,
	}
	if s.embedded != nil {
		c.Replicas, c.Storage = 1, kv.StorageFile
	}
	var err error
	if c.Cache != "" && !c.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(c.Cache), 0o700); err != nil {
			return nil, errors.Join(configError(fmt.Errorf("directory.snapshot_file: %w", err)), s.Close())
		}
	}
	tightenHeap()
	if s.Store, err = kv.Open(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// tightenHeap has garbage collected before the heap has doubled: a directory is
// held for good and makes little garbage, so what it could grow by is memory
// wasted. GOGC in the environment says otherwise.
func tightenHeap() {
	const percent = 40
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// connect connects to whoever keeps the bucket. It succeeds while NATS is away:
// the connection comes about when it can.
func (s *kvStore) connect(cfg *config.Config, log *slog.Logger, now func() time.Time) error {
	// What is written while the connection is away is not sent later: whoever
	// wrote it was told that it failed.
	opts := []nats.Option{nats.Name("usher directory"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true)}
	if cfg.Directory.From == config.DirectoryEmbedded {
		embedded, err := devserver.StartStore(cfg.Directory.StoreDir)
		if errors.Is(err, devserver.ErrStoreInUse) {
			return &exitError{code: exitRuntime, err: fmt.Errorf("directory.store_dir: %w", err), hint: "end that one; while it runs, manage the directory over its API"}
		}
		if err != nil {
			return configError(fmt.Errorf("directory.store_dir: %w", err))
		}
		s.embedded = embedded
		if s.conn, err = embedded.Connect(opts...); err != nil {
			return errors.Join(err, embedded.Stop())
		}
		return nil
	}
	own, err := serviceOptions(cfg)
	if err != nil {
		return configError(err)
	}
	s.conn, err = nats.Connect(natsURLs(cfg), append(append(opts, own...), tellAttempts(log, now))...)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}

// loadLimit is how long a command waits for a directory that is a bucket.
const loadLimit = 60 * time.Second

// nearLimit is how long it waits for the bucket if a snapshot on disk would do.
const nearLimit = 3 * time.Second

var errNotLoaded = errors.New("the directory cannot be loaded")

// following runs a store for a command that ends soon, once its directory is
// there. note is what the command's user should know of it.
func following(ctx context.Context, s directoryStore) (note string, end func() error, err error) {
	bucket, ok := s.(*kvStore)
	if !ok {
		return "", s.Close, nil
	}
	start := time.Now()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx) // it returns nil
	}()
	end = func() error {
		stop()
		<-ended
		return s.Close()
	}
	wait, limit := time.NewTicker(5*time.Millisecond), loadLimit
	defer wait.Stop()
	if s.Snapshot() != nil {
		limit = nearLimit
	}
	for {
		status := bucket.Status()
		switch waited := time.Since(start); {
		case status.Loaded && status.Checked.After(start):
			return "", end, nil
		case waited > limit && status.Loaded:
			return "the bucket cannot be reached; this is the directory of " + status.Checked.Format(time.RFC3339), end, nil
		case waited > limit || ctx.Err() != nil:
			return "", nil, errors.Join(&exitError{
				code: exitRuntime, err: fmt.Errorf("%w within %s", errNotLoaded, limit),
				hint: "usher check says what is in the way",
			}, end())
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
	}
}
