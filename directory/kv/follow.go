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

	"usher/directory/snapshot"
)

const (
	heartbeat  = time.Second            // of a consumer that has nothing to say; it is given up after two
	checkEvery = time.Second            // how often the bucket is asked how far it is
	lagLimit   = 2 * time.Second        // how long it may be ahead without anything coming
	askLimit   = 2 * time.Second        // for one question; a cluster without a leader answers none
	beginLimit = 20 * time.Second       // for what takes longer with a large bucket
	firstRetry = 100 * time.Millisecond // after the bucket could not be followed
	lastRetry  = 2 * time.Second
	maxPulled  = 4096 // messages on their way
)

var (
	errGap       = errors.New("messages of the bucket were missed")
	errLag       = errors.New("the bucket is ahead, and nothing comes")
	errOther     = errors.New("another bucket is in its place")
	errRestored  = errors.New("the bucket holds an older directory now")
	errReconnect = errors.New("connected anew") // what was on its way is lost
)

// Run follows the bucket until ctx ends; then it returns nil. The snapshot in use
// stays while the bucket cannot be reached.
func (s *Store) Run(ctx context.Context) error {
	keep, sweep := s.keeper(ctx), s.sweeper(ctx)
	defer keep()
	defer sweep()
	connected := s.cfg.Conn.StatusChanged(nats.CONNECTED)
	defer s.cfg.Conn.RemoveStatusListener(connected)
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = firstRetry, lastRetry
	last := ""
	for ctx.Err() == nil {
		err := s.follow(ctx, connected, func() {
			if last != "" {
				s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "the directory is followed again", slog.String("bucket", s.cfg.Bucket))
			}
			last = ""
			retry.Reset()
		})
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errReconnect) {
			continue
		}
		if text := plain(err).Error(); text != last {
			last = text
			s.cfg.Log.LogAttrs(ctx, slog.LevelError, "the directory's bucket cannot be followed; what is loaded stays in use",
				slog.String("bucket", s.cfg.Bucket), slog.Bool("loaded", s.Snapshot() != nil), slog.String("error", text))
		}
		wait := time.NewTimer(retry.NextBackOff())
		select {
		case <-wait.C:
		case <-connected:
			s.waiting.lost()
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return nil
}

// follow takes over what the bucket holds and what comes, until something fails.
// caught is called when all has come that was there in the beginning.
func (s *Store) follow(ctx context.Context, connected <-chan nats.Status, caught func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ask, done := context.WithTimeout(ctx, askLimit)
	defer done()
	asked, had := s.cfg.Now(), s.usage.since.Load()
	stream, err := s.stream(ask)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	s.usage.told(info, had)
	f := &follower{s: s, stream: stream, caught: caught, asked: asked, bucket: info.Created, end: info.State.LastSeq}
	begin, begun := context.WithTimeout(ctx, beginLimit)
	defer begun()
	var newest held
	err = insist(begin, func(ctx context.Context) (err error) { newest, err = s.newest(ctx, f.end); return err })
	if err != nil {
		return err
	}
	if f.newest = newest.Sequence; s.emptied(info, newest) {
		return fmt.Errorf("bucket %s: %w, but an empty one in its place: %w", s.cfg.Bucket, ErrNoBucket, errInUse)
	}
	config := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, ReplayPolicy: jetstream.ReplayInstantPolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: 5 * time.Minute,
		Name: nuid.Next(), // so that asking twice makes one
	}
	st, err := s.resumable(begin, info)
	if err != nil {
		return err
	}
	if st != nil {
		f.at, f.written, f.charges = st.revision, st.written, s.charges.Load()
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, st.revision+1
	} else {
		s.loading(info.State.Msgs)
		f.load, f.charges = snapshot.NewBuilder(), newCharges()
		s.faults.again()
	}
	s.waiting.follow(f.at)
	var consumer jetstream.Consumer
	err = insist(begin, func(ctx context.Context) (err error) { consumer, err = stream.CreateConsumer(ctx, config); return err })
	if err != nil {
		return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
	}
	defer s.forget(stream, consumer.CachedInfo().Name)
	messages, err := consumer.Messages(jetstream.PullMaxMessages(maxPulled), jetstream.PullHeartbeat(heartbeat))
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
		s.watch(ctx, stream, info.Created, connected, stop)
	}()
	err = f.run(ctx, messages)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("follow bucket %s: %w", s.cfg.Bucket, err)
}

// insist asks until there is an answer, or ctx ends. The server that was to answer
// may be gone; or the bucket is large, so each time has longer than the one before.
func insist(ctx context.Context, ask func(context.Context) error) error {
	for limit := askLimit; ; limit *= 2 {
		once, done := context.WithTimeout(ctx, limit)
		err := ask(once)
		done()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
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
func (s *Store) resumable(ctx context.Context, info *jetstream.StreamInfo) (*state, error) {
	st := s.current.Load()
	switch {
	case st == nil, st.reread, !st.bucket.Equal(info.Created), info.State.LastSeq < st.revision:
		return nil, nil
	}
	const skew = time.Hour // by which a clock may have been put back
	if age := s.cfg.Now().Sub(time.Unix(0, s.checked.Load())); age > MarkerLife/2 || age < -skew {
		return nil, nil // the mark of something that was removed may have expired
	}
	if same, err := s.same(ctx, st); err != nil || !same {
		return nil, err
	}
	return st, nil
}

// watch ends the following when the bucket is ahead and nothing comes, and when
// the connection is another one. While all is well, it notes until when.
func (s *Store) watch(ctx context.Context, stream jetstream.Stream, bucket time.Time, connected <-chan nats.Status, stop context.CancelCauseFunc) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	came, since := s.came.Load(), s.cfg.Now()
	for {
		select {
		case <-tick.C:
		case <-connected:
			s.waiting.lost()
			stop(errReconnect)
			return
		case <-ctx.Done():
			return
		}
		asked, had := s.cfg.Now(), s.usage.since.Load()
		ask, done := context.WithTimeout(ctx, askLimit)
		info, err := stream.Info(ask)
		done()
		if err != nil {
			continue // the consumer's heartbeat says whether there is anybody
		}
		s.usage.told(info, had)
		now, st := s.cfg.Now(), s.current.Load()
		switch {
		case !info.Created.Equal(bucket):
			stop(errOther)
			return
		case st != nil && st.bucket.Equal(bucket) && info.State.LastSeq <= st.revision:
			s.checked.Store(asked.UnixNano())
			came, since = s.came.Load(), now
		case s.taking.Load() || s.came.Load() != came:
			came, since = s.came.Load(), now
		case now.Sub(since) > lagLimit:
			stop(errLag)
			return
		}
	}
}
