package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// MarkerLife is how long it stays known that an entry was removed. A replica that
// was away for half of it reads everything again, and serves what it has until then;
// so all that a longer life would save is that, and it would keep the marks of
// whoever makes and removes things without end.
const MarkerLife = 24 * time.Hour

// Storage says where the servers keep the bucket.
type Storage string

// The kinds of storage.
const (
	StorageFile   Storage = "file"
	StorageMemory Storage = "memory"
)

// ErrNoBucket: the bucket is not there, and may not be made; or it has lost all
// that it held.
var ErrNoBucket = errors.New("there is no such bucket")

// errInUse says why no bucket is made or taken over in place of one that is gone.
var errInUse = errors.New("it was in use: restore it, or remove the snapshot file and start anew for a new one")

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
	maxBytes := int64(-1)
	if c.MaxBytes > 0 {
		maxBytes = c.MaxBytes
	}
	return jetstream.StreamConfig{
		Name: streamName(c.Bucket), Description: "usher's directory: users, projects, ACLs and digests of API keys",
		Subjects: []string{subjectOf(c.Bucket, ">")}, MaxMsgsPerSubject: 1, Storage: storage, Replicas: max(c.Replicas, 1),
		Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true, AllowDirect: true,
		AllowAtomicPublish: true, AllowMsgTTL: true, Duplicates: time.Minute,
		MaxMsgs: -1, MaxBytes: maxBytes, MaxMsgSize: -1, MaxConsumers: -1,
	}
}

// stream returns the bucket's stream, which it makes if that is allowed and there
// was none before: an empty one in place of one that is gone would keep everybody
// out, and would be in the way of a backup.
func (s *Store) stream(ctx context.Context) (jetstream.Stream, error) {
	stream, err := s.js.Stream(ctx, streamName(s.cfg.Bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		switch {
		case s.known || s.current.Load() != nil:
			return nil, fmt.Errorf("bucket %s: %w, and %w", s.cfg.Bucket, ErrNoBucket, errInUse)
		case !s.cfg.Create:
			return nil, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, ErrNoBucket)
		}
		stream, err = s.js.CreateStream(ctx, s.cfg.streamConfig())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another replica was faster
			stream, err = s.js.Stream(ctx, streamName(s.cfg.Bucket))
		} else if err != nil {
			err = fmt.Errorf("cannot be made with max_bytes %d: %w", max(s.cfg.MaxBytes, 0), err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, err)
	}
	if err := s.fit(&stream.CachedInfo().Config); err != nil {
		return nil, err
	}
	if stream, err = s.resize(ctx, stream); err != nil {
		return nil, fmt.Errorf("bucket %s: max_bytes: %w", s.cfg.Bucket, err)
	}
	return stream, nil
}

// fit reports ErrBucket for a bucket that could lose an entry, or half of a change.
func (s *Store) fit(have *jetstream.StreamConfig) error {
	unfit := func(why string) error { return fmt.Errorf("bucket %s: %w: %s", s.cfg.Bucket, ErrBucket, why) }
	switch {
	case have.Mirror != nil || len(have.Sources) > 0:
		return unfit("it is fed from another stream")
	case !slices.Equal(have.Subjects, s.cfg.streamConfig().Subjects):
		return unfit("its subjects are other ones")
	case have.MaxMsgsPerSubject != 1:
		return unfit(fmt.Sprintf("its history is %d and has to be 1", have.MaxMsgsPerSubject))
	case !have.AllowAtomicPublish:
		return unfit("allow_atomic is off; it takes nats-server 2.12 or later")
	case !have.AllowMsgTTL:
		return unfit("allow_msg_ttl is off")
	case have.Retention != jetstream.LimitsPolicy || have.MaxAge != 0:
		return unfit("its entries age")
	case have.Discard != jetstream.DiscardNew:
		return unfit("it discards old entries when it is full")
	case !have.DenyDelete || !have.DenyPurge:
		return unfit("deny_delete or deny_purge is off: entries could go and nobody would hear of it")
	}
	return nil
}

// held is a message of the bucket; zero: there is none.
type held struct {
	Sequence uint64    `json:"seq"`
	Subject  string    `json:"subject"`
	Time     time.Time `json:"time"`
}

// lookUp asks the leader of the bucket, who knows best, for one message.
func (s *Store) lookUp(ctx context.Context, which string) (held, error) {
	answer, err := s.cfg.Conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+streamName(s.cfg.Bucket), []byte(which))
	if err != nil {
		return held{}, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, err)
	}
	var found struct {
		Message held                `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &found); err != nil {
		return held{}, fmt.Errorf("bucket %s: an answer that is none", s.cfg.Bucket)
	}
	switch {
	case found.Error == nil:
		return found.Message, nil
	case found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return held{}, nil
	default:
		return held{}, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, found.Error)
	}
}

// newest returns the newest message of a bucket that has counted to last; it may
// have counted on, because marks of what was removed expire.
func (s *Store) newest(ctx context.Context, last uint64) (held, error) {
	if last == 0 {
		return held{}, nil
	}
	m, err := s.lookUp(ctx, `{"seq":`+strconv.FormatUint(last, 10)+`}`)
	if err != nil || m.Sequence != 0 {
		return m, err
	}
	return s.lookUp(ctx, `{"last_by_subj":"`+subjectOf(s.cfg.Bucket, ">")+`"}`) // takes seconds in a large bucket
}

// same reports whether the bucket still holds what a state ended with. If not,
// that was overwritten; or the bucket was restored from a backup and has gone
// another way, which may be as long: nobody can tell.
func (s *Store) same(ctx context.Context, st *state) (bool, error) {
	if st.written.IsZero() {
		return false, nil
	}
	var m held
	err := insist(ctx, func(ctx context.Context) (err error) {
		m, err = s.lookUp(ctx, `{"seq":`+strconv.FormatUint(st.revision, 10)+`}`)
		return err
	})
	return m.Sequence == st.revision && m.Time.Equal(st.written), err
}

// emptied reports whether a bucket holds nothing in place of what is in use: it
// was made by somebody else, or the servers have lost what was in their memory. A
// turn that somebody has asked for or given up meanwhile is nothing.
func (s *Store) emptied(info *jetstream.StreamInfo, newest held) bool {
	st := s.current.Load()
	turn := newest.Subject == subjectOf(s.cfg.Bucket, turnName) && info.State.Msgs == 1
	if st == nil || newest.Sequence > 0 && !turn || info.Created.Equal(st.bucket) && info.State.LastSeq >= st.revision {
		return false
	}
	for range st.snapshot.Entries() {
		return true
	}
	return false
}
