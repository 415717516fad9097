package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory/snapshot"
)

// Config says which bucket a Store follows.
type Config struct {
	Conn     *nats.Conn
	Bucket   string
	Create   bool    // make the bucket if it is missing, with the three settings below
	Replicas int     // 0: 1
	Storage  Storage // empty: file
	MaxBytes int64   // 0: no limit
	Own      bool    // the bucket is this store's alone, and gets MaxBytes if it is there, too

	// MaxProjectBytes is how much of the bucket the administrators of one project may
	// fill; 0: no limit. See Author.
	MaxProjectBytes int64

	Cache    string // file with the last good snapshot; empty: none
	ReadOnly bool   // leave that file as it is
	Log      *slog.Logger
	Now      func() time.Time

	// OnLarge is called before many entries are loaded from the bucket, and once they
	// were loaded from the cache, so that the process can be made ready for what
	// they take. May be nil.
	OnLarge func()

	// OnChange hears of everything that was taken over, in order; it must not wait
	// and must not call Change. This is where those who watch connections hook in.
	OnChange func(Changed) // may be nil
}

// Changed tells what was taken over.
type Changed struct {
	At       time.Time
	Revision uint64
	Loaded   bool        // everything was read; Users is empty then
	Users    []uuid.UUID // whose grant may be another one now
}

func (c *Config) valid() error {
	switch {
	case c.Conn == nil:
		return errors.New("directory kv: no connection given")
	case c.Bucket == "":
		return errors.New("directory kv: no bucket given")
	case c.Log == nil:
		return errors.New("directory kv: no log given")
	case c.Now == nil:
		return errors.New("directory kv: no clock given")
	}
	return nil
}

// Store serves the directory of a bucket, and changes it. Its methods are safe
// for concurrent use.
type Store struct {
	cfg     Config
	js      jetstream.JetStream
	current atomic.Pointer[state] // nil: nothing was loaded yet
	known   bool                  // there is a cache, good or not: the bucket has been there
	checked atomic.Int64          // when the bucket held nothing newer, unix nanoseconds; 0: never
	writing queue                 // one change at a time
	faults  faults
	saved   atomic.Pointer[state] // what the cache has
	savedAt atomic.Int64          // checked, as the cache has it
	came    atomic.Uint64         // messages of the bucket
	taking  atomic.Bool           // they are being taken over

	waiting waiting
	turns   turns
	usage   usage
	charges atomic.Pointer[charges]

	mu    sync.Mutex
	moved chan struct{} // closed when current is replaced
}

// state is a directory at one revision of a bucket.
type state struct {
	snapshot *snapshot.Snapshot
	revision uint64    // how far the bucket has counted
	written  time.Time // when the entry at this revision was; zero: there was none any more
	bucket   time.Time // when the bucket was made: another one has other revisions
	at       time.Time // when it came into use
	reread   bool      // from a cache that lacks what could not be read, which this usher may be able to
}

// Open returns a Store that serves the cached snapshot, if there is a good one;
// Run follows the bucket. What is wrong with the cache is logged, and no error.
func Open(cfg Config) (*Store, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("directory kv: %w", err)
	}
	s := &Store{cfg: cfg, js: js, moved: make(chan struct{})}
	s.faults.log = cfg.Log
	s.charges.Store(newCharges())
	s.restore()
	return s, nil
}

// Snapshot returns the directory in use; nil: none was loaded yet.
func (s *Store) Snapshot() *snapshot.Snapshot {
	if st := s.current.Load(); st != nil {
		return st.snapshot
	}
	return nil
}

// LoadedAt returns since when the directory in use is in use; zero: none is.
func (s *Store) LoadedAt() time.Time {
	if st := s.current.Load(); st != nil {
		return st.at
	}
	return time.Time{}
}

// Status is how a Store stands.
type Status struct {
	Loaded   bool
	Revision uint64
	Checked  time.Time // when the bucket held nothing newer; zero: not since the start, and no cache says when
	Faults   []Fault   // entries that cannot be read
	Usage    Usage     // of the bucket; no messages and no limit until it was asked
}

// Status returns how the store stands.
func (s *Store) Status() Status {
	out := Status{Faults: s.faults.list(), Usage: s.usage.now()}
	if st := s.current.Load(); st != nil {
		out.Loaded, out.Revision = true, st.revision
	}
	if at := s.checked.Load(); at != 0 {
		out.Checked = time.Unix(0, at)
	}
	return out
}

// take makes a state the current one, and notes when the bucket held nothing newer;
// 0: that is as it was. What is kept on disk has both.
func (s *Store) take(st *state, c Changed, checked int64) {
	st.at = s.cfg.Now()
	c.At, c.Revision = st.at, st.revision
	s.mu.Lock()
	s.current.Store(st)
	if checked != 0 {
		s.checked.Store(checked)
	}
	close(s.moved)
	s.moved = make(chan struct{})
	s.mu.Unlock()
	if s.cfg.OnChange != nil {
		s.cfg.OnChange(c)
	}
}

// moves returns what is closed when the state in use is replaced.
func (s *Store) moves() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// reached waits until revision is in use, of the bucket that st is of.
func (s *Store) reached(ctx context.Context, st *state, revision uint64) (*state, error) {
	for {
		moved := s.moves()
		now := s.current.Load()
		switch {
		case !now.bucket.Equal(st.bucket):
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, errOther)
		case now.revision < st.revision: // it will not come
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, errRestored)
		case now.revision >= revision:
			return now, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

// largeLoad is how many entries are worth telling of: some 100 MiB.
const largeLoad = 200_000

func (s *Store) loading(entries uint64) {
	if entries > largeLoad && s.cfg.OnLarge != nil {
		s.cfg.OnLarge()
	}
}
