package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
)

const (
	heartbeat  = 5 * time.Second        // of a consumer that has nothing to say
	checkEvery = 2 * time.Second        // how often the bucket is asked how far it is
	lagLimit   = 5 * time.Second        // how long it may be ahead without anything coming
	askLimit   = 5 * time.Second        // for one question
	firstRetry = 100 * time.Millisecond // after the bucket could not be followed
	lastRetry  = 2 * time.Second
	maxApplied = 20_000 // entries that are taken over at once
)

// Headers of entries.
const (
	headerOperation = "KV-Operation"
	headerChange    = "Usher-Change" // id of the change that made an entry
)

var (
	errGap   = errors.New("messages of the bucket were missed")
	errLag   = errors.New("the bucket is ahead, and nothing comes")
	errOther = errors.New("another bucket is in its place")
)

// Run follows the bucket until ctx ends; then it returns nil. The snapshot in use
// stays while the bucket cannot be reached.
func (s *Store) Run(ctx context.Context) error {
	keep := s.keeper(ctx)
	defer keep()
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = firstRetry, lastRetry
	last := ""
	for ctx.Err() == nil {
		err := s.follow(ctx, func() {
			if last != "" {
				s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "the directory is followed again", slog.String("bucket", s.cfg.Bucket))
			}
			last = ""
			retry.Reset()
		})
		if ctx.Err() != nil {
			break
		}
		if text := err.Error(); text != last {
			last = text
			s.cfg.Log.LogAttrs(ctx, slog.LevelError, "the directory's bucket cannot be followed; what is loaded stays in use",
				slog.String("bucket", s.cfg.Bucket), slog.Bool("loaded", s.Snapshot() != nil), slog.String("error", text))
		}
		wait := time.NewTimer(retry.NextBackOff())
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
	return nil
}

// follow takes over what the bucket holds and what comes, until something fails.
// caught is called when nothing was left to come for the first time.
func (s *Store) follow(ctx context.Context, caught func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ask, done := context.WithTimeout(ctx, askLimit)
	defer done()
	stream, err := s.stream(ask)
	if err != nil {
		return err
	}
	f := &follower{s: s, caught: caught}
	config := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, ReplayPolicy: jetstream.ReplayInstantPolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: 5 * time.Minute,
	}
	info := stream.CachedInfo()
	f.bucket = info.Created
	if st := s.resumable(info); st != nil {
		f.at = st.revision
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, st.revision+1
	} else {
		f.load = directory.NewBuilder()
		s.faults.clear()
	}
	consumer, err := stream.CreateConsumer(ask, config)
	if err != nil {
		return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
	}
	defer s.forget(stream, consumer.CachedInfo().Name)
	f.left = consumer.CachedInfo().NumPending
	messages, err := consumer.Messages(jetstream.PullMaxMessages(4096), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
	}
	defer messages.Stop()
	stopped := context.AfterFunc(ctx, messages.Stop)
	defer stopped()
	go s.watchLag(ctx, stream, info.Created, stop)
	if f.left == 0 {
		f.flush()
	}
	for {
		m, err := messages.Next()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
		}
		if err := f.message(m); err != nil {
			return err
		}
	}
}

// forget removes a consumer; the server does so by itself later.
func (s *Store) forget(stream jetstream.Stream, name string) {
	ctx, done := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer done()
	_ = stream.DeleteConsumer(ctx, name) // if it cannot be told now, it ends by InactiveThreshold
}

// resumable returns the state that the bucket can be followed on from; nil:
// everything has to be read.
func (s *Store) resumable(info *jetstream.StreamInfo) *state {
	st := s.current.Load()
	switch {
	case st == nil, !st.bucket.Equal(info.Created), info.State.LastSeq < st.revision:
		return nil
	case s.cfg.Now().Sub(time.Unix(0, s.checked.Load())) > markerLife/2:
		return nil
	default:
		return st
	}
}

// watchLag ends the following when the bucket is ahead and nothing comes, and
// notes when it is not.
func (s *Store) watchLag(ctx context.Context, stream jetstream.Stream, bucket time.Time, stop context.CancelCauseFunc) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	came, since := s.came.Load(), s.cfg.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		ask, done := context.WithTimeout(ctx, askLimit)
		info, err := stream.Info(ask)
		done()
		if err != nil {
			continue // the consumer's heartbeat says whether there is anybody
		}
		now, st := s.cfg.Now(), s.current.Load()
		switch {
		case !info.Created.Equal(bucket):
			stop(errOther)
			return
		case st != nil && st.bucket.Equal(bucket) && info.State.LastSeq <= st.revision:
			s.confirm()
			came, since = s.came.Load(), now
		case s.came.Load() != came:
			came, since = s.came.Load(), now
		case now.Sub(since) > lagLimit:
			stop(errLag)
			return
		}
	}
}

// confirm notes that the bucket holds nothing newer.
func (s *Store) confirm() { s.checked.Store(s.cfg.Now().UnixNano()) }

// follower takes over one consumer's messages.
type follower struct {
	s       *Store
	caught  func()
	bucket  time.Time
	load    *directory.Builder // while everything is read
	at      uint64             // sequence of the last message
	seen    uint64             // messages of this consumer
	left    uint64
	entries []directory.Entry
	changes map[string]uint64
}

func (f *follower) message(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("follow bucket %s: %w", f.s.cfg.Bucket, err)
	}
	f.seen++
	f.s.came.Add(1)
	if meta.Sequence.Consumer != f.seen {
		return errGap
	}
	f.at, f.left = meta.Sequence.Stream, meta.NumPending
	if id := m.Headers().Get(headerChange); id != "" {
		if f.changes == nil {
			f.changes = map[string]uint64{}
		}
		f.changes[id] = f.at
	}
	if e, ok := f.s.entry(m, f.at); ok {
		if f.load != nil {
			f.load.Add(&e)
		} else {
			f.entries = append(f.entries, e)
		}
	}
	if f.left == 0 || f.load == nil && len(f.entries) >= maxApplied {
		f.flush()
	}
	return nil
}

// flush puts what has come into use.
func (f *follower) flush() {
	s := f.s
	next := &state{revision: f.at, bucket: f.bucket}
	var changed Changed
	var problems directory.Problems
	switch {
	case f.load != nil:
		next.snapshot, problems = f.load.Snapshot()
		f.load, changed.Loaded = nil, true
		size := next.snapshot.Size()
		s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "directory loaded", slog.String("bucket", s.cfg.Bucket),
			slog.Uint64("revision", f.at), slog.Int("users", size.Users), slog.Int("keys", size.Keys), slog.Int("projects", size.Projects),
			slog.Int("topics", size.Topics), slog.Int("subscriptions", size.Subscriptions))
	case len(f.entries) > 0:
		next.snapshot, changed.Users, problems = s.current.Load().snapshot.Apply(f.entries)
		f.entries = nil
	default:
		next.snapshot = s.current.Load().snapshot
	}
	s.faults.problems(f.at, problems)
	s.noteChanges(f.changes)
	f.changes = nil
	s.take(next, changed)
	if f.left == 0 {
		s.confirm()
		if f.caught != nil {
			f.caught()
			f.caught = nil
		}
	}
}

// entry reads one message. What it cannot read it reports, and takes for removed:
// an entry of which nobody knows what it says gives nobody anything.
func (s *Store) entry(m jetstream.Msg, revision uint64) (directory.Entry, bool) {
	name := strings.TrimPrefix(m.Subject(), subjectOf(s.cfg.Bucket, ""))
	key, err := directory.ParseEntryKey(name)
	if err != nil {
		s.faults.add(name, revision, err.Error())
		return directory.Entry{}, false
	}
	e := directory.Entry{Key: key, Revision: revision}
	if op := m.Headers().Get(headerOperation); op == "DEL" || op == "PURGE" || m.Headers().Get(nats.MsgRollup) != "" {
		s.faults.mended(name)
		return e, true
	}
	if e.Value, err = decode(key.Kind, m.Data()); err == nil {
		err = e.Check()
	}
	if err != nil {
		s.faults.add(name, revision, err.Error())
		e.Value = nil
		return e, true
	}
	s.faults.mended(name)
	return e, true
}
