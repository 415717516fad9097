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

// Store is a directory of any kind.
type Store interface {
	Snapshot() *snapshot.Snapshot // nil: nothing is loaded yet
	LoadedAt() time.Time
	Digest() [32]byte // of the file; zero: the directory is in a bucket
	Run(ctx context.Context) error
	Reload() error
	Close() error
}

// File is a directory in a file.
type File struct{ *file.Store }

// Close does nothing: nothing is open.
func (File) Close() error { return nil }

// Bucket is a directory in a JetStream bucket, on the servers or embedded in this process.
type Bucket struct {
	*kv.Store
	Conn     *nats.Conn
	embedded *devserver.Store // nil: the bucket is on the servers
	Cfg      *config.Config

	// The last errors of the connection and of the bucket, for a command that waits.
	dialing, following *lastError
}

// LoadedAt returns when the directory in use was last known to be current.
func (s *Bucket) LoadedAt() time.Time { return s.Status().Checked }

// Digest returns zero: a bucket has revisions.
func (*Bucket) Digest() [32]byte { return [32]byte{} }

// Reload does nothing: usher follows a bucket.
func (*Bucket) Reload() error { return nil }

// Close closes the connection and ends an embedded server.
func (s *Bucket) Close() error {
	s.Conn.Close()
	if s.embedded != nil {
		return s.embedded.Stop()
	}
	return nil
}

// OpenDirectory opens the directory of a configuration. It loads a file at once. Run
// loads and follows a bucket.
func OpenDirectory(cfg *config.Config, log *slog.Logger, now func() time.Time, on Observers) (Store, error) {
	if cfg.Directory.From == config.DirectoryFile {
		s, err := file.Open(file.Config{Path: cfg.Directory.File, Log: log, Now: now, OnReload: on.Directory})
		if err != nil {
			return nil, fault.InConfig(fmt.Errorf("directory: %w", err))
		}
		return File{s}, nil
	}
	s := &Bucket{Cfg: cfg, dialing: &lastError{Handler: log.Handler()}, following: &lastError{Handler: log.Handler()}}
	if err := s.connect(cfg, slog.New(s.dialing), now, on.Changed == nil); err != nil {
		return nil, err
	}
	log = slog.New(s.following)
	c := kv.Config{
		Conn: s.Conn, Bucket: cfg.Directory.Bucket, Create: cfg.Directory.CreateBucket || s.embedded != nil,
		Replicas: cfg.Directory.Replicas, Storage: kv.Storage(cfg.Directory.Storage), Cache: cfg.Directory.SnapshotFile,
		MaxBytes: int64(cfg.Directory.MaxBytes), MaxProjectBytes: int64(cfg.Directory.MaxProjectBytes), Own: s.embedded != nil && on.Changed != nil,
		ReadOnly: on.Changed == nil, // a command that only reads, possibly as another user
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
// kept as long as the process runs and makes little garbage, so a heap of twice its size
// wastes memory. A
// process that was started with another GOGC keeps it.
func tightenHeap() {
	const byDefault, tight = 100, 30
	if before := debug.SetGCPercent(tight); before != byDefault {
		debug.SetGCPercent(before)
	}
}

// connect connects to the servers, or starts the embedded one. It succeeds while NATS is
// down, and connects later. A command retries faster, because a person waits for it.
func (s *Bucket) connect(cfg *config.Config, log *slog.Logger, now func() time.Time, command bool) error {
	// A change that is written while the connection is down is not sent later: its
	// writer already got an error.
	opts := []nats.Option{nats.Name("usher directory"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true)}
	if command {
		opts = append(opts, nats.ReconnectWait(250*time.Millisecond))
	}
	if cfg.Directory.From == config.DirectoryEmbedded {
		embedded, err := devserver.StartStore(cfg.Directory.StoreDir)
		if errors.Is(err, devserver.ErrStoreInUse) {
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("directory.store_dir: %w", err), Hint: "stop the other usher first; while it runs, manage the directory over its API"}
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
	s.Conn, err = nats.Connect(natsconn.URLs(cfg), append(append(opts, own...), natsconn.LogConnectErrors(cfg, log, now))...)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}
