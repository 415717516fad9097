package stanbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"usher/internal/secret"
)

// Config configures a Bridge.
type Config struct {
	URLs     string // of nats-servers, separated by commas
	Options  []nats.Option
	Cluster  string   // cluster ID
	Channels []string // to which clients may publish
	Subject  func(channel string) string
	Stream   Stream

	MaxPayload      int // bytes of a message
	MaxPending      int // messages that wait for JetStream
	MaxPendingBytes int
	AckWait         time.Duration // how long a message waits

	Log     *slog.Logger
	Now     func() time.Time
	Observe func(time.Duration) // is called with the time that JetStream took for a message
	Failed  func(error)         // is called with why attempts to connect fail, often with the same cause
}

// Bridge is a running bridge.
type Bridge struct {
	cfg      Config
	channels map[string]string // subjects in the stream, by channel
	nc       *nats.Conn
	js       jetstream.JetStream
	requests []*nats.Subscription
	publish  *nats.Subscription
	pending  *pending
	clients  *clients
	counts   counts
	stream   streamState
	// unreachable is why the last attempt to connect has failed. It says nothing while the
	// bridge is connected.
	unreachable atomic.Pointer[error]
	errors      rate.Sometimes // the log of errors of the connection
	stop        context.CancelFunc
	ended       sync.WaitGroup
}

// queue is the queue group of all bridges of a cluster.
const queue = "usher-stan-bridge"

// flushTime is how long a bridge that stops tries to send its last acknowledgements.
const flushTime = 5 * time.Second

// Start connects and serves. Servers that do not answer are tried again for ever, so an
// error is one of the configuration.
func Start(cfg *Config) (*Bridge, error) {
	b := &Bridge{
		cfg: *cfg, channels: map[string]string{},
		pending: newPending(cfg.MaxPending, cfg.MaxPendingBytes), clients: newClients(),
		errors: rate.Sometimes{First: 1, Interval: time.Minute},
	}
	for _, channel := range cfg.Channels {
		b.channels[channel] = cfg.Subject(channel)
	}
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	connected := func(*nats.Conn) {
		b.unreachable.Store(nil)
		wake()
	}
	opts := append([]nats.Option{
		nats.Name("usher STAN bridge"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // nats.go would give up for ever
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { b.failed(err) }),
		// What cannot be sent now is not sent later: nobody waits for it then.
		nats.ReconnectBufSize(-1),
		nats.ConnectHandler(connected), nats.ReconnectHandler(connected),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.stream.set(errNotConnected)
			wake()
			if err != nil {
				b.cfg.Log.Warn("STAN bridge: the connection is lost; reconnecting", slog.String("error", err.Error()))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.onError(err) }),
	}, cfg.Options...)
	var err error
	if b.nc, err = nats.Connect(cfg.URLs, opts...); err != nil {
		return nil, fmt.Errorf("STAN bridge: connect: %w", err)
	}
	if err := b.serve(); err != nil {
		b.nc.Close()
		return nil, fmt.Errorf("STAN bridge: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.ended.Go(func() { b.watch(ctx, changed) })
	return b, nil
}

// serve subscribes to everything that clients send.
func (b *Bridge) serve() error {
	opts := []jetstream.JetStreamOpt{
		jetstream.WithPublishAsyncTimeout(b.cfg.AckWait),
		jetstream.WithPublishAsyncMaxPending(b.cfg.MaxPending + 1), // pending limits it before
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { b.stored(m) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { b.notStored(m, err) }),
	}
	var err error
	if b.cfg.Stream.Domain == "" {
		b.js, err = jetstream.New(b.nc, opts...)
	} else {
		b.js, err = jetstream.NewWithDomain(b.nc, b.cfg.Stream.Domain, opts...)
	}
	if err != nil {
		return err
	}
	c := b.cfg.Cluster
	for subject, handle := range map[string]nats.MsgHandler{
		prefixDiscover + c: b.onConnect, prefixDiscover + c + pings: b.onPing, prefixClose + c: b.onClose,
		prefixSub + c: b.onSubscription, prefixUnsub + c: b.onSubscription, prefixSubClose + c: b.onSubscription,
	} {
		sub, err := b.nc.QueueSubscribe(subject, queue, handle)
		if err != nil {
			return err
		}
		b.requests = append(b.requests, sub)
	}
	if b.publish, err = b.nc.QueueSubscribe(prefixPub+c+".*", queue, b.onPublish); err != nil {
		return err
	}
	return b.publish.SetPendingLimits(b.cfg.MaxPending, b.cfg.MaxPendingBytes)
}

// failed notes why an attempt to connect has failed.
func (b *Bridge) failed(err error) {
	b.unreachable.Store(&err)
	b.cfg.Failed(err)
}

// onError logs an error of the connection, not more than one a minute. Those of permissions
// can name a subject that a client has chosen for its answer.
func (b *Bridge) onError(err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		return // counted by the subscription
	}
	b.errors.Do(func() {
		b.cfg.Log.Warn("STAN bridge: NATS reports an error", slog.String("error", secret.RedactDetected(err.Error())))
	})
}

// Stop takes no new messages, waits until JetStream has acknowledged those that wait or ctx
// ends, and disconnects. A nil Bridge has nothing to stop.
func (b *Bridge) Stop(ctx context.Context) {
	if b == nil {
		return
	}
	for _, sub := range b.requests {
		_ = sub.Unsubscribe() // fails only if the connection has ended
	}
	drained := make(chan struct{})
	b.publish.SetClosedHandler(func(string) { close(drained) })
	if b.nc.IsConnected() && b.publish.Drain() == nil {
		select {
		case <-drained:
		case <-ctx.Done():
		}
		b.pending.wait(ctx)
		flush, cancel := context.WithTimeout(ctx, flushTime) // nats.go flushes nothing without a deadline
		_ = b.nc.FlushWithContext(flush)                     // sends the last acknowledgements
		cancel()
	}
	b.stop()
	b.ended.Wait()
	b.nc.Close()
	if left := b.pending.len(); left > 0 {
		b.cfg.Log.Warn("STAN bridge: stopped before JetStream had acknowledged every message", slog.Int("messages", left))
	}
}
