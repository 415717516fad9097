package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

const (
	heartbeat      = time.Second            // of an idle consumer; two missed ones end it
	checkInterval  = time.Second            // between requests for the bucket's last sequence
	maxLag         = 2 * time.Second        // for which the bucket may be ahead while no message arrives
	requestTimeout = 2 * time.Second        // for one request; a cluster without a leader answers none
	startTimeout   = 20 * time.Second       // for requests that take longer for a large bucket
	minRetryDelay  = 100 * time.Millisecond // after following the bucket has failed
	maxRetryDelay  = 2 * time.Second
	maxPullPending = 4096 // messages requested in advance
)

var (
	errNoRoom      = &jetstream.APIError{ErrorCode: 10047} // JSStorageResourcesExceededErr
	errGap         = errors.New("messages of the bucket were missed")
	errLag         = errors.New("the bucket is ahead, but no messages arrive")
	errOtherBucket = errors.New("another bucket has replaced it")
	errRestored    = errors.New("the bucket now holds an older directory")
	errReconnected = errors.New("the connection was re-established") // messages and replies were lost
)

// Run follows the bucket until ctx ends; then it returns nil. The snapshot in use stays
// while the bucket cannot be reached.
func (s *Store) Run(ctx context.Context) error {
	waitForSave, waitForSweep := s.startSaving(ctx), s.startSweeping(ctx)
	defer waitForSave()
	defer waitForSweep()
	connected := s.cfg.Conn.StatusChanged(nats.CONNECTED)
	defer s.cfg.Conn.RemoveStatusListener(connected)
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = minRetryDelay, maxRetryDelay
	lastError := ""
	for ctx.Err() == nil {
		err := s.follow(ctx, connected, func() {
			if lastError != "" {
				s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "following the directory's bucket again", slog.String("bucket", s.cfg.Bucket))
			}
			lastError = ""
			retry.Reset()
		})
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errReconnected) {
			continue
		}
		if text := connError(err).Error(); text != lastError {
			lastError = text
			attrs := []slog.Attr{slog.String("bucket", s.cfg.Bucket), slog.Bool("loaded", s.Snapshot() != nil), slog.String("error", text)}
			if errors.Is(err, errNoRoom) {
				attrs = append(attrs, slog.String("hint", "nats-server reserves max_bytes: free space on the disk of its store_dir, raise max_file_store, or lower directory.max_bytes"))
			}
			s.cfg.Log.LogAttrs(ctx, slog.LevelError, "cannot follow the directory's bucket; the loaded directory stays in use", attrs...)
		}
		wait := time.NewTimer(retry.NextBackOff())
		select {
		case <-wait.C:
		case <-connected:
			s.inFlight.repliesLost()
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return nil
}

// follow applies the messages of the bucket until an error occurs. caughtUp is called
// when all messages have arrived that existed at the start.
func (s *Store) follow(ctx context.Context, connected <-chan nats.Status, caughtUp func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f, info, err := s.newFollower(ctx, caughtUp)
	if err != nil {
		return err
	}
	start, cancelStart := context.WithTimeout(ctx, startTimeout)
	defer cancelStart()
	config, err := s.prepare(start, f, info)
	if err != nil {
		return err
	}
	s.inFlight.restart(f.revision)
	var consumer jetstream.Consumer
	err = retryTimeouts(start, func(ctx context.Context) (err error) {
		consumer, err = f.stream.CreateConsumer(ctx, config)
		return err
	})
	if err != nil {
		return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
	}
	defer s.deleteConsumer(f.stream, consumer.CachedInfo().Name)
	messages, err := consumer.Messages(jetstream.PullMaxMessages(maxPullPending), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
	}
	defer messages.Stop()
	stopped := context.AfterFunc(ctx, messages.Stop)
	defer stopped()
	watched := make(chan struct{})
	defer func() { stop(nil); <-watched }()
	go func() {
		defer close(watched)
		s.watch(ctx, f.stream, info.Created, connected, stop)
	}()
	err = f.run(ctx, messages)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
}

// newFollower returns a follower for the bucket as it is now.
func (s *Store) newFollower(ctx context.Context, caughtUp func()) (*follower, *jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	requested, receivedBefore := s.cfg.Now(), s.usage.Received()
	stream, err := s.stream(ctx)
	if err != nil {
		return nil, nil, err
	}
	info := stream.CachedInfo()
	s.usage.Report(info, receivedBefore)
	return &follower{
		s: s, stream: stream, caughtUp: caughtUp, requested: requested,
		bucketCreated: info.Created, lastSequence: info.State.LastSeq,
	}, info, nil
}

// prepare decides where the follower starts: after the state in use, or at the first
// message of the bucket. It returns the configuration of the consumer.
func (s *Store) prepare(ctx context.Context, f *follower, info *jetstream.StreamInfo) (jetstream.ConsumerConfig, error) {
	config := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, ReplayPolicy: jetstream.ReplayInstantPolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: 5 * time.Minute,
		Name: nuid.Next(), // so that a repeated request creates one consumer
	}
	var newest storedMessage
	err := retryTimeouts(ctx, func(ctx context.Context) (err error) {
		newest, err = s.newestMessage(ctx, f.lastSequence)
		return err
	})
	if err != nil {
		return config, err
	}
	if f.newest = newest.Sequence; s.lostEntries(info, newest) {
		return config, fmt.Errorf("bucket %s: %w; an empty one has taken its place: %w", s.cfg.Bucket, ErrNoBucket, errWasUsed)
	}
	st, err := s.resumable(ctx, info)
	if err != nil {
		return config, err
	}
	if st != nil {
		f.revision, f.written, f.charges = st.revision, st.written, s.charges.Load()
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, st.revision+1
		return config, nil
	}
	s.announceLoad(info.State.Msgs)
	f.builder, f.charges = snapshot.NewBuilder(), quota.NewCharges()
	s.faults.reset()
	return config, nil
}

// retryTimeouts repeats a request that times out, until ctx ends. The server that was to
// answer may be gone; or the bucket is large, so the timeout doubles each time.
func retryTimeouts(ctx context.Context, request func(context.Context) error) error {
	for timeout := requestTimeout; ; timeout *= 2 {
		attempt, cancel := context.WithTimeout(ctx, timeout)
		err := request(attempt)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// deleteConsumer deletes a consumer. If that fails, the server does it after
// InactiveThreshold.
func (s *Store) deleteConsumer(stream jetstream.Stream, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = stream.DeleteConsumer(ctx, name)
}

// resumable returns the state from which the bucket can be followed on; nil: the whole
// bucket has to be read.
func (s *Store) resumable(ctx context.Context, info *jetstream.StreamInfo) (*state, error) {
	st := s.current.Load()
	switch {
	case st == nil, st.reread, !st.bucketCreated.Equal(info.Created), info.State.LastSeq < st.revision:
		return nil, nil
	}
	const maxSkew = time.Hour // by which a clock may have been set back
	if age := s.cfg.Now().Sub(time.Unix(0, s.checked.Load())); age > MarkerLife/2 || age < -maxSkew {
		return nil, nil // the delete marker of an entry may have expired
	}
	if holds, err := s.holds(ctx, st); err != nil || !holds {
		return nil, err
	}
	return st, nil
}

// watch calls stop when the bucket is ahead and no messages arrive, and when the
// connection was re-established. While the store is up to date, it records since when.
func (s *Store) watch(ctx context.Context, stream jetstream.Stream, bucketCreated time.Time, connected <-chan nats.Status, stop context.CancelCauseFunc) {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	received, since := s.received.Load(), s.cfg.Now()
	for {
		select {
		case <-tick.C:
		case <-connected:
			s.inFlight.repliesLost()
			stop(errReconnected)
			return
		case <-ctx.Done():
			return
		}
		requested, receivedBefore := s.cfg.Now(), s.usage.Received()
		request, cancel := context.WithTimeout(ctx, requestTimeout)
		info, err := stream.Info(request)
		cancel()
		if err != nil {
			continue // the consumer's heartbeat detects a lost server
		}
		s.usage.Report(info, receivedBefore)
		now, st := s.cfg.Now(), s.current.Load()
		switch {
		case !info.Created.Equal(bucketCreated):
			stop(errOtherBucket)
			return
		case st != nil && st.bucketCreated.Equal(bucketCreated) && info.State.LastSeq <= st.revision:
			s.checked.Store(requested.UnixNano())
			received, since = s.received.Load(), now
		case s.applying.Load() || s.received.Load() != received:
			received, since = s.received.Load(), now
		case now.Sub(since) > maxLag:
			stop(errLag)
			return
		}
	}
}
