package file

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/directory/snapshot"
)

// Config says what a Store serves.
type Config struct {
	Path     string
	Log      *slog.Logger
	Now      func() time.Time
	OnReload func(ReloadEvent) // may be nil; called one at a time, must not call the Store's Reload
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

// ReloadEvent tells of one attempt to take over a changed file.
type ReloadEvent struct {
	At  time.Time
	Err error // why the last good one stays; nil if the file is in use now
}

// Store serves the directory of a file. Its methods are safe for concurrent use.
type Store struct {
	cfg     Config
	current atomic.Pointer[version]

	mu   sync.Mutex // one reload at a time
	last content    // what was looked at last, good or bad
}

// version is a good directory.
type version struct {
	snapshot *snapshot.Snapshot
	content  content
	loadedAt time.Time
}

// content tells what a file held from what it held before.
type content struct {
	readable bool
	sum      [sha256.Size]byte
}

// Open loads the directory; a file that is not good is an error, as of Load.
func Open(cfg Config) (*Store, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg}
	data, err := read(cfg.Path)
	if err != nil {
		return nil, err
	}
	s.last = contentOf(data)
	if err := s.take(data); err != nil {
		return nil, err
	}
	return s, nil
}

// Snapshot returns the directory in use. It takes no lock and is never nil.
func (s *Store) Snapshot() *snapshot.Snapshot { return s.current.Load().snapshot }

// LoadedAt returns since when the directory in use is in use.
func (s *Store) LoadedAt() time.Time { return s.current.Load().loadedAt }

// Reload takes over the file if it has changed. On an error, which is as of
// Load, the directory in use stays, and the error says so.
func (s *Store) Reload() error { return s.look(true) }

// look reads the file and takes it over if it is not what is in use. Unless
// again is set, what the look before this one has seen is not looked at.
func (s *Store) look(again bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := read(s.cfg.Path)
	var seen content
	if err == nil {
		seen = contentOf(data)
	}
	before := s.last
	if s.last = seen; seen == before && !again {
		return nil
	}
	switch {
	case err != nil:
	case seen != s.current.Load().content:
		err = s.take(data)
	case seen == before:
		return nil
	default: // it was bad in between
		s.cfg.Log.Info("directory file is again the one in use", slog.String("file", s.cfg.Path))
	}
	if err != nil {
		err = fmt.Errorf("the directory loaded at %s stays in use: %w", s.LoadedAt().Format(time.RFC3339), err)
	}
	if s.cfg.OnReload != nil {
		s.cfg.OnReload(ReloadEvent{At: s.cfg.Now(), Err: err})
	}
	return err
}

// take makes data the directory in use, if it is good.
func (s *Store) take(data []byte) error {
	snapshot, err := load(s.cfg.Path, data)
	if err != nil {
		return err
	}
	s.current.Store(&version{snapshot: snapshot, content: contentOf(data), loadedAt: s.cfg.Now()})
	size := snapshot.Size()
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
