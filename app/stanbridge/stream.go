package stanbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"
)

// Stream says where messages are stored.
type Stream struct {
	Name     string
	Domain   string // JetStream domain; empty: that of the server
	Managed  bool   // create the stream and the durables if they do not exist
	MaxAge   time.Duration
	MaxBytes int64 // -1: no limit
	Replicas int
	Durables []string
}

var errNotConnected = errors.New("not connected")

// streamState is whether the stream is there, as it was seen last.
type streamState struct {
	mu   sync.Mutex
	seen bool
	err  error
}

func (s *streamState) get() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen {
		return errNotConnected
	}
	return s.err
}

// set sets the state, and reports whether it is another one.
func (s *streamState) set(err error) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = !s.seen || (err == nil) != (s.err == nil)
	s.seen, s.err = true, err
	return changed
}

const (
	retryStream = 2 * time.Second // while the stream is not there
	lookStream  = 5 * time.Second // while it is
	askLimit    = 5 * time.Second
	logRefusals = 30 * time.Second
)

// watch creates the stream where it may, looks at it from time to time, and logs what was
// refused since.
func (b *Bridge) watch(ctx context.Context, changed <-chan struct{}) {
	logged, refusals := map[Reason]uint64{}, rate.Sometimes{Interval: logRefusals}
	for {
		next := lookStream
		if b.nc.IsConnected() {
			err := b.ensure(ctx)
			if ctx.Err() != nil {
				return
			}
			if b.stream.set(err) {
				b.logStream(err)
			}
			if err != nil {
				next = retryStream
			}
		} else {
			next = retryStream
			b.lookWhyNot()
		}
		refusals.Do(func() { b.logRefused(logged) })
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// lookWhyNot notes why the bridge is not connected. nats.go tells its handler about the
// first attempt, and about a server that cannot be reached, but not about a handshake or a
// login that fails later.
func (b *Bridge) lookWhyNot() {
	if err := b.nc.LastError(); err != nil && !b.nc.IsConnected() {
		b.failed(err)
	}
}

// ensure returns nil if the stream and its durables are there. It creates what is missing if
// the stream is managed.
func (b *Bridge) ensure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	s := &b.cfg.Stream
	_, err := b.js.Stream(ctx, s.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && s.Managed {
		_, err = b.js.CreateStream(ctx, b.streamConfig())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil // another bridge was faster
		}
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.Name, err)
	}
	if !s.Managed {
		return nil
	}
	for _, durable := range s.Durables {
		_, err := b.js.Consumer(ctx, s.Name, durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			_, err = b.js.CreateConsumer(ctx, s.Name, jetstream.ConsumerConfig{
				Durable: durable, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
			})
		}
		if err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
			return fmt.Errorf("durable %s: %w", durable, err)
		}
	}
	return nil
}

func (b *Bridge) streamConfig() jetstream.StreamConfig {
	s := &b.cfg.Stream
	return jetstream.StreamConfig{
		Name: s.Name, Description: "messages of NATS Streaming clients, stored by usher",
		Subjects: slices.Sorted(maps.Values(b.channels)),
		MaxAge:   s.MaxAge, MaxBytes: s.MaxBytes, Replicas: s.Replicas,
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld,
	}
}

func (b *Bridge) logStream(err error) {
	if err != nil {
		b.cfg.Log.Warn("STAN bridge: the stream is not ready; messages are not acknowledged", slog.String("error", err.Error()))
		return
	}
	b.cfg.Log.Info("STAN bridge is ready", slog.String("cluster_id", b.cfg.Cluster), slog.String("stream", b.cfg.Stream.Name))
}

// logRefused logs how many messages and requests were refused since the last call.
func (b *Bridge) logRefused(logged map[Reason]uint64) {
	var attrs []any
	refused := b.Status().Refused
	for _, r := range Reasons() {
		if n := refused[r] - logged[r]; n > 0 {
			attrs = append(attrs, slog.Uint64(string(r), n))
		}
		logged[r] = refused[r]
	}
	if len(attrs) > 0 {
		b.cfg.Log.Warn("STAN bridge: messages or requests were refused or not answered", attrs...)
	}
}
