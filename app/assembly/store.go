package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"time"

	"usher/internal/fault"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/devserver"
	"usher/app/natsconn"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/ownedfile"
)

// Store is a directory, wherever it is kept.
type Store interface {
	Snapshot() *snapshot.Snapshot // nil: nothing is loaded yet
	LoadedAt() time.Time
	Run(ctx context.Context) error
	Reload() error
	Close() error
}

// fileStore is a directory that is a file.
type fileStore struct{ *file.Store }

func (fileStore) Close() error { return nil }

// Bucket is a directory that is a bucket, in the servers or within this process.
type Bucket struct {
	*kv.Store
	Conn     *nats.Conn
	embedded *devserver.Store // nil: the servers keep it
	Cfg      *config.Config

	// What is in the way of a command that waits: of the connection, and of the bucket.
	dialing, trouble *trouble
}

// LoadedAt returns when the directory in use was known to be that of the bucket.
func (s *Bucket) LoadedAt() time.Time { return s.Status().Checked }

// Reload does nothing: a bucket is followed.
func (*Bucket) Reload() error { return nil }

func (s *Bucket) Close() error {
	s.Conn.Close()
	if s.embedded != nil {
		return s.embedded.Stop()
	}
	return nil
}

// OpenDirectory opens the directory of a configuration. One that is a file is
// loaded then; a bucket is followed by Run.
func OpenDirectory(cfg *config.Config, log *slog.Logger, now func() time.Time, on Observers) (Store, error) {
	if cfg.Directory.From == config.DirectoryFile {
		s, err := file.Open(file.Config{Path: cfg.Directory.File, Log: log, Now: now, OnReload: on.Directory})
		if err != nil {
			return nil, fault.InConfig(fmt.Errorf("directory: %w", err))
		}
		return fileStore{s}, nil
	}
	s := &Bucket{Cfg: cfg, dialing: &trouble{Handler: log.Handler()}, trouble: &trouble{Handler: log.Handler()}}
	if err := s.connect(cfg, slog.New(s.dialing), now, on.Changed == nil); err != nil {
		return nil, err
	}
	log = slog.New(s.trouble)
	c := kv.Config{
		Conn: s.Conn, Bucket: cfg.Directory.Bucket, Create: cfg.Directory.CreateBucket || s.embedded != nil,
		Replicas: cfg.Directory.Replicas, Storage: kv.Storage(cfg.Directory.Storage), Cache: cfg.Directory.SnapshotFile,
		MaxBytes: int64(cfg.Directory.MaxBytes), MaxProjectBytes: int64(cfg.Directory.MaxProjectBytes), Own: s.embedded != nil && on.Changed != nil,
		ReadOnly: on.Changed == nil, // a command that only looks, maybe as another user
		Log:      log, Now: now, OnChange: on.Changed, OnLarge: tightenHeap,
	}
	if s.embedded != nil {
		c.Replicas, c.Storage = 1, kv.StorageFile
	}
	var err error
	if c.Cache != "" && !c.ReadOnly {
		if err := ownedfile.MakeFolder(filepath.Dir(c.Cache)); err != nil {
			return nil, errors.Join(fault.InConfig(fmt.Errorf("directory.snapshot_file: %w", err)), s.Close())
		}
	}
	if s.Store, err = kv.Open(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// tightenHeap has garbage collected before the heap has doubled. A large directory is
// held for good and makes little garbage, so the room to double is wasted memory. A
// process that was started with another GOGC keeps it.
func tightenHeap() {
	const byDefault, tight = 100, 30
	if before := debug.SetGCPercent(tight); before != byDefault {
		debug.SetGCPercent(before)
	}
}

// connect connects to whoever keeps the bucket. It succeeds while NATS is away:
// the connection comes about when it can. Somebody waits for a command.
func (s *Bucket) connect(cfg *config.Config, log *slog.Logger, now func() time.Time, command bool) error {
	// What is written while the connection is away is not sent later: whoever
	// wrote it was told that it failed.
	opts := []nats.Option{nats.Name("usher directory"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true)}
	if command {
		opts = append(opts, nats.ReconnectWait(250*time.Millisecond))
	}
	if cfg.Directory.From == config.DirectoryEmbedded {
		embedded, err := devserver.StartStore(cfg.Directory.StoreDir)
		if errors.Is(err, devserver.ErrStoreInUse) {
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("directory.store_dir: %w", err), Hint: "end that one; while it runs, manage the directory over its API"}
		}
		if err != nil {
			return fault.InConfig(fmt.Errorf("directory.store_dir: %w", err))
		}
		s.embedded = embedded
		if s.Conn, err = embedded.Connect(opts...); err != nil {
			return errors.Join(err, embedded.Stop())
		}
		return nil
	}
	own, err := natsconn.ServiceOptions(cfg)
	if err != nil {
		return fault.InConfig(err)
	}
	s.Conn, err = nats.Connect(natsconn.URLs(cfg), append(append(opts, own...), natsconn.LogConnectErrors(log, now))...)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}
