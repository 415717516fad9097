package file

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// Config configures a Store.
type Config struct {
	Path     string
	Log      *slog.Logger
	Now      func() time.Time
	OnReload func(ReloadEvent) // may be nil; never called concurrently, must not call Store.Reload
}

func (c *Config) valid() error {
	switch {
	case c.Path == "":
		return errors.New("directory file: no path given")
	case c.Log == nil:
		return errors.New("directory file: no log given")
	case c.Now == nil:
		return errors.New("directory file: no clock given")
	}
	return nil
}

// ReloadEvent describes one attempt to load a changed file.
type ReloadEvent struct {
	At  time.Time
	Err error // why the last good directory stays in use; nil: the file is in use now
}

// Store serves the directory of a file. Its methods are safe for concurrent use.
type Store struct {
	cfg     Config
	current atomic.Pointer[version]

	mu   sync.Mutex                             // one reload at a time
	last content                                // of the last reload, good or bad
	held map[directory.EntryKey]directory.Entry // of HoldBans
}

// version is a good directory.
type version struct {
	snapshot *snapshot.Snapshot
	loaded   *snapshot.Snapshot // without the bans of HoldBans
	content  content
	loadedAt time.Time
}

// content identifies the content of a file.
type content struct {
	readable bool
	sum      [sha256.Size]byte
}

// Open loads the directory. The error is that of Load.
func Open(cfg Config) (*Store, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, held: map[directory.EntryKey]directory.Entry{}}
	data, err := read(cfg.Path)
	if err != nil {
		return nil, err
	}
	s.last = contentOf(data)
	if err := s.load(data); err != nil {
		return nil, err
	}
	return s, nil
}

// Snapshot returns the directory in use. It takes no lock and is never nil.
func (s *Store) Snapshot() *snapshot.Snapshot { return s.current.Load().snapshot }

// LoadedAt returns when the directory in use was loaded.
func (s *Store) LoadedAt() time.Time { return s.current.Load().loadedAt }

// Digest returns the SHA-256 of the file from which the directory in use was loaded.
func (s *Store) Digest() [sha256.Size]byte { return s.current.Load().content.sum }

// Reload loads the file if it has changed. If that fails, the directory in use stays in
// use, and the error, which is that of Load, says so.
func (s *Store) Reload() error { return s.reload(true) }

// reload loads the file unless it is the one in use. If force is false, it ignores a file
// that the last reload has seen.
func (s *Store) reload(force bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := read(s.cfg.Path)
	var seen content
	if err == nil {
		seen = contentOf(data)
	}
	before := s.last
	if s.last = seen; seen == before && !force {
		return nil
	}
	switch {
	case err != nil:
	case seen != s.current.Load().content:
		err = s.load(data)
	case seen == before:
		return nil
	default: // the file was faulty in between
		s.cfg.Log.Info("directory file is again identical to the directory in use", slog.String("file", s.cfg.Path))
	}
	if err != nil {
		err = fmt.Errorf("the directory loaded at %s stays in use: %w", s.LoadedAt().Format(time.RFC3339), err)
	}
	if s.cfg.OnReload != nil {
		s.cfg.OnReload(ReloadEvent{At: s.cfg.Now(), Err: err})
	}
	return err
}

// load puts data into use, if it has no faults.
func (s *Store) load(data []byte) error {
	loaded, err := load(s.cfg.Path, data)
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	s.forgetEnded(now)
	s.current.Store(&version{snapshot: s.withHeld(loaded), loaded: loaded, content: contentOf(data), loadedAt: now})
	size := loaded.Size()
	s.cfg.Log.Info("directory loaded",
		slog.String("file", s.cfg.Path),
		slog.Int("users", size.Users),
		slog.Int("keys", size.Keys),
		slog.Int("projects", size.Projects),
		slog.Int("topics", size.Topics),
		slog.Int("subscriptions", size.Subscriptions))
	return nil
}

func contentOf(data []byte) content {
	return content{readable: true, sum: sha256.Sum256(data)}
}
