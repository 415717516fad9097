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

// MarkerLife is how long the bucket keeps the delete marker of a removed entry. A
// replica that was disconnected for half of that time reads the whole bucket again, and
// serves what it has until then. A longer life would only save that, and it would keep
// more markers of a client that creates and removes entries in a loop.
const MarkerLife = 24 * time.Hour

// Storage is where the servers store the bucket.
type Storage string

// The kinds of storage.
const (
	StorageFile   Storage = "file"
	StorageMemory Storage = "memory"
)

// ErrNoBucket: the bucket does not exist and must not be created, or it has lost its
// entries.
var ErrNoBucket = errors.New("there is no such bucket")

// errWasUsed says why a missing bucket is not replaced by a new one.
var errWasUsed = errors.New("it was in use: if you moved the folder: usher init --moved DIR, and restart nats-server; otherwise restore the bucket. To give the directory up, remove the snapshot file and restart usher")

// ErrBucket: the bucket's configuration does not suit a directory.
var ErrBucket = errors.New("the bucket is not suitable for a directory")

func streamName(bucket string) string { return "KV_" + bucket }

func subjectOf(bucket, key string) string { return "$KV." + bucket + "." + key }

// streamConfig returns the configuration of a key-value bucket with one value per key
// and atomic batches. Messages cannot be deleted or purged: entries are only removed by
// changes.
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

// stream returns the bucket's stream. It creates the stream if that is configured and
// the bucket was never in use. An empty bucket in place of a lost one would deny all
// clients, and would prevent restoring a backup.
func (s *Store) stream(ctx context.Context) (jetstream.Stream, error) {
	stream, err := s.js.Stream(ctx, streamName(s.cfg.Bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		switch {
		case s.wasUsed || s.current.Load() != nil:
			return nil, fmt.Errorf("bucket %s: %w, and %w", s.cfg.Bucket, ErrNoBucket, errWasUsed)
		case !s.cfg.Create:
			return nil, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, ErrNoBucket)
		}
		stream, err = s.js.CreateStream(ctx, s.cfg.streamConfig())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another replica has created it
			stream, err = s.js.Stream(ctx, streamName(s.cfg.Bucket))
		} else if err != nil {
			err = fmt.Errorf("cannot be created with max_bytes %d: %w", max(s.cfg.MaxBytes, 0), err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, err)
	}
	if err := s.checkConfig(&stream.CachedInfo().Config); err != nil {
		return nil, err
	}
	if stream, err = s.resize(ctx, stream); err != nil {
		return nil, fmt.Errorf("bucket %s: max_bytes: %w", s.cfg.Bucket, err)
	}
	return stream, nil
}

// checkConfig returns ErrBucket for a bucket that could lose an entry or a part of a
// change.
func (s *Store) checkConfig(have *jetstream.StreamConfig) error {
	unfit := func(why string) error { return fmt.Errorf("bucket %s: %w: %s", s.cfg.Bucket, ErrBucket, why) }
	switch {
	case have.Mirror != nil || len(have.Sources) > 0:
		return unfit("it is a mirror or has sources")
	case !slices.Equal(have.Subjects, s.cfg.streamConfig().Subjects):
		return unfit("it has other subjects")
	case have.MaxMsgsPerSubject != 1:
		return unfit(fmt.Sprintf("its history is %d, not 1", have.MaxMsgsPerSubject))
	case !have.AllowAtomicPublish:
		return unfit("allow_atomic is off (it needs nats-server 2.12 or later)")
	case !have.AllowMsgTTL:
		return unfit("allow_msg_ttl is off")
	case have.Retention != jetstream.LimitsPolicy || have.MaxAge != 0:
		return unfit("its entries expire")
	case have.Discard != jetstream.DiscardNew:
		return unfit("it discards old entries when it is full")
	case !have.DenyDelete || !have.DenyPurge:
		return unfit("deny_delete or deny_purge is off, so entries could be removed without notice")
	}
	return nil
}

// storedMessage is a message of the bucket; zero: there is none.
type storedMessage struct {
	Sequence uint64    `json:"seq"`
	Subject  string    `json:"subject"`
	Time     time.Time `json:"time"`
}

// message requests one message from the leader of the bucket. Followers may be behind.
func (s *Store) message(ctx context.Context, request string) (storedMessage, error) {
	answer, err := s.cfg.Conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+streamName(s.cfg.Bucket), []byte(request))
	if err != nil {
		return storedMessage{}, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, err)
	}
	var found struct {
		Message storedMessage       `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &found); err != nil {
		return storedMessage{}, fmt.Errorf("bucket %s: malformed response", s.cfg.Bucket)
	}
	switch {
	case found.Error == nil:
		return found.Message, nil
	case found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return storedMessage{}, nil
	default:
		return storedMessage{}, fmt.Errorf("bucket %s: %w", s.cfg.Bucket, found.Error)
	}
}

// newestMessage returns the newest message of a bucket whose last sequence is last. The
// message at last may be gone, because delete markers expire.
func (s *Store) newestMessage(ctx context.Context, last uint64) (storedMessage, error) {
	if last == 0 {
		return storedMessage{}, nil
	}
	m, err := s.message(ctx, `{"seq":`+strconv.FormatUint(last, 10)+`}`)
	if err != nil || m.Sequence != 0 {
		return m, err
	}
	return s.message(ctx, `{"last_by_subj":"`+subjectOf(s.cfg.Bucket, ">")+`"}`) // takes seconds in a large bucket
}

// holds reports whether the bucket still has the message with which a state ended. If
// not, the message was overwritten, or the bucket was restored from a backup and has a
// different history since: the two cases look the same.
func (s *Store) holds(ctx context.Context, st *state) (bool, error) {
	if st.written.IsZero() {
		return false, nil
	}
	var m storedMessage
	err := retryTimeouts(ctx, func(ctx context.Context) (err error) {
		m, err = s.message(ctx, `{"seq":`+strconv.FormatUint(st.revision, 10)+`}`)
		return err
	})
	return m.Sequence == st.revision && m.Time.Equal(st.written), err
}

// lostEntries reports whether a bucket is empty while a directory is in use: another
// program has created it again, or the servers have lost their memory storage. A
// message of a ticket does not count.
func (s *Store) lostEntries(info *jetstream.StreamInfo, newest storedMessage) bool {
	st := s.current.Load()
	onlyTicket := newest.Subject == subjectOf(s.cfg.Bucket, ticketName) && info.State.Msgs == 1
	if st == nil || newest.Sequence > 0 && !onlyTicket || info.Created.Equal(st.bucketCreated) && info.State.LastSeq >= st.revision {
		return false
	}
	for range st.snapshot.Entries() {
		return true
	}
	return false
}
