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

	"usher/directory/kv/fair"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

// Config says which bucket a Store follows.
type Config struct {
	Conn     *nats.Conn
	Bucket   string
	Create   bool    // create the bucket if it is missing, with the three settings below
	Replicas int     // 0: 1
	Storage  Storage // empty: file
	MaxBytes int64   // 0: no limit
	Own      bool    // the bucket belongs to this store alone, so an existing bucket gets MaxBytes too

	// MaxProjectBytes is the share of the bucket that the administrators of one project
	// may fill; 0: no limit. See Author.
	MaxProjectBytes int64

	Cache    string // file with the last good snapshot; empty: none
	ReadOnly bool   // do not write that file, and do not remove orphaned entries
	Log      *slog.Logger
	Now      func() time.Time

	// OnLarge is called before many entries are loaded from the bucket, and after many
	// were loaded from the cache, so that the process can prepare for the memory that
	// they take. May be nil.
	OnLarge func()

	// OnChange is called after each change of the directory in use, in order. It must
	// not block and must not call Change. It is meant for code that closes connections
	// whose grant has changed. May be nil.
	OnChange func(Changed)
}

// Changed describes a change of the directory in use.
type Changed struct {
	At       time.Time
	Revision uint64
	Loaded   bool        // the whole bucket was read; Users is empty then
	Users    []uuid.UUID // whose grant may have changed

	// Everybody: a ban has changed that may concern anybody, such as that of a network, also
	// those who are no users of the directory.
	Everybody bool
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

// Store serves the directory of a bucket, and changes it. Its methods are safe for
// concurrent use.
type Store struct {
	cfg Config
	js  jetstream.JetStream

	// Reading.
	current  atomic.Pointer[state] // nil: not loaded yet
	checked  atomic.Int64          // when the bucket held nothing newer; unix nanoseconds, 0: never
	received atomic.Uint64         // number of messages from the bucket
	applying atomic.Bool           // messages are being applied
	faults   faults
	mu       sync.Mutex
	replaced chan struct{} // closed when current is replaced

	// Writing.
	queue    fair.Queue // grants one change at a time
	tickets  fair.Tickets
	inFlight inFlight
	usage    quota.Meter
	charges  atomic.Pointer[quota.Charges]

	// The cache.
	wasUsed      bool                  // there is a cache, readable or not: the bucket has existed
	saved        atomic.Pointer[state] // the state in the cache
	savedChecked atomic.Int64          // the value of checked in the cache
}

// state is a directory at one revision of a bucket.
type state struct {
	snapshot *snapshot.Snapshot
	revision uint64    // the last sequence of the stream
	written  time.Time // when the message at revision was written; zero: it was removed before it was read
	at       time.Time // when the state came into use
	reread   bool      // it comes from a cache that lacks entries, which this usher may be able to read

	bucketCreated time.Time // a bucket with another time has other revisions
}

// Open returns a Store that serves the cached snapshot, if there is a good one. Run
// follows the bucket. A cache that cannot be used is logged, and is not an error.
func Open(cfg Config) (*Store, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("directory kv: %w", err)
	}
	s := &Store{cfg: cfg, js: js, replaced: make(chan struct{})}
	s.faults.log = cfg.Log
	s.charges.Store(quota.NewCharges())
	s.restore()
	return s, nil
}

// Snapshot returns the directory in use; nil: none is loaded yet.
func (s *Store) Snapshot() *snapshot.Snapshot {
	if st := s.current.Load(); st != nil {
		return st.snapshot
	}
	return nil
}

// LoadedAt returns when the directory in use came into use; zero: none is loaded yet.
func (s *Store) LoadedAt() time.Time {
	if st := s.current.Load(); st != nil {
		return st.at
	}
	return time.Time{}
}

// Status is the state of a Store.
type Status struct {
	Loaded   bool
	Revision uint64
	Checked  time.Time   // when the bucket held nothing newer; zero: not since the start, and there is no cache
	Faults   []Fault     // unreadable and contradictory entries
	Usage    quota.Usage // of the bucket; zero until the server has reported it
}

// Status returns the state of the store.
func (s *Store) Status() Status {
	out := Status{Faults: s.faults.list(), Usage: s.usage.Usage()}
	if st := s.current.Load(); st != nil {
		out.Loaded, out.Revision = true, st.revision
	}
	if at := s.checked.Load(); at != 0 {
		out.Checked = time.Unix(0, at)
	}
	return out
}

// replace puts a state into use. checked is when the bucket held nothing newer; 0: that
// has not changed. Both change together, because save reads both.
func (s *Store) replace(st *state, c Changed, checked int64) {
	st.at = s.cfg.Now()
	c.At, c.Revision = st.at, st.revision
	s.mu.Lock()
	s.current.Store(st)
	if checked != 0 {
		s.checked.Store(checked)
	}
	close(s.replaced)
	s.replaced = make(chan struct{})
	s.mu.Unlock()
	if s.cfg.OnChange != nil {
		s.cfg.OnChange(c)
	}
}

// replacedSignal returns a channel that is closed when the state in use is replaced.
func (s *Store) replacedSignal() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaced
}

// waitForRevision waits until a revision of st's bucket is in use.
func (s *Store) waitForRevision(ctx context.Context, st *state, revision uint64) (*state, error) {
	for {
		replaced := s.replacedSignal()
		now := s.current.Load()
		switch {
		case !now.bucketCreated.Equal(st.bucketCreated):
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, errOtherBucket)
		case now.revision < st.revision: // the revision will not come
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, errRestored)
		case now.revision >= revision:
			return now, nil
		}
		select {
		case <-replaced:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

// largeLoad is the number of entries above which OnLarge is called: about 100 MiB.
const largeLoad = 200_000

func (s *Store) announceLoad(entries uint64) {
	if entries > largeLoad && s.cfg.OnLarge != nil {
		s.cfg.OnLarge()
	}
}
