package lease

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
)

// Config configures Leases. Renew and Expire have defaults.
type Config struct {
	JetStream jetstream.JetStream // of the account of the bucket
	Bucket    string
	Replicas  int    // of a bucket that is created
	Name      string // of this worker; another process must not have it, at any time
	// Hold is called with the subscriptions that this worker has, whenever that has changed.
	// It returns once nothing works on any other.
	Hold func(ids []string)
	// Drain is called at the end, before everything is given back. It returns once nothing
	// works on any.
	Drain func()
	Log   *slog.Logger
	Now   func() time.Time // monotonic

	Renew  time.Duration // 0: 2 s
	Expire time.Duration // 0: 6 s
}

// Times of leases. What a worker had that has died is taken over within 10 s: after expire,
// the interval between two decisions, and the time of a write, by default.
const (
	defaultRenew  = 2 * time.Second
	defaultExpire = 6 * time.Second
	ending        = 5 * time.Second // for giving everything back
	watchRetry    = time.Second
)

// Prefixes of keys.
const (
	workerPrefix = "worker."
	leasePrefix  = "lease."
	statePrefix  = "state."
)

func (c *Config) valid() error {
	if c.JetStream == nil || c.Bucket == "" || c.Name == "" || c.Hold == nil || c.Drain == nil || c.Log == nil || c.Now == nil {
		return errors.New("push leases: JetStream, Bucket, Name, Hold, Drain, Log and Now are required")
	}
	if c.Renew == 0 {
		c.Renew = defaultRenew
	}
	if c.Expire == 0 {
		c.Expire = defaultExpire
	}
	return nil
}

// Leases are the subscriptions of one worker. It is safe for concurrent use.
type Leases struct {
	cfg     Config
	changed chan struct{} // wakes decide
	declare chan struct{} // wakes renewAll

	mu      sync.Mutex
	kv      jetstream.KeyValue // nil: not opened yet
	wanted  map[string]bool    // nil: not known yet
	decline map[string]bool    // what this worker does not want
	leases  map[string]owned   // by id of the subscription
	workers map[string]seen
	renewed time.Time // when the last renewal that succeeded was sent
	echoed  time.Time // when the watch has shown it
	synced  bool      // the watch has shown everything
	holding []string  // what Hold was called with
}

// owned is the entry of a subscription.
type owned struct {
	worker   string // empty: it was removed
	revision uint64
}

// seen is what is known about a worker.
type seen struct {
	revision uint64
	at       time.Time // when its entry changed last
	gone     bool      // it has said so
	// declines are the subscriptions that it does not want: it cannot work on them.
	declines map[string]bool
}

// New returns Leases that Run shares.
func New(cfg Config) (*Leases, error) { //nolint:gocritic // once
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	return &Leases{cfg: cfg, changed: make(chan struct{}, 1), declare: make(chan struct{}, 1), leases: map[string]owned{}, workers: map[string]seen{}}, nil
}

// Want says which subscriptions there are.
func (l *Leases) Want(ids []string) {
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	l.mu.Lock()
	l.wanted = wanted
	l.mu.Unlock()
	wake(l.changed)
}

// Valid reports whether what this worker has is still its own.
func (l *Leases) Valid() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.validAt(l.cfg.Now())
}

func (l *Leases) validAt(now time.Time) bool {
	return !l.renewed.IsZero() && now.Sub(l.renewed) < l.cfg.Expire-l.cfg.Renew
}

// Held returns what this worker has, sorted.
func (l *Leases) Held() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.holding)
}

// Run shares until ctx ends. Then it drains and gives everything back. It waits for the
// bucket as long as it must.
func (l *Leases) Run(ctx context.Context) {
	inner, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.renewAll(inner) })
	running.Go(func() { l.watchAll(inner) })
	tick := time.NewTicker(l.cfg.Renew / 2)
	defer tick.Stop()
	for ctx.Err() == nil {
		l.decide(ctx)
		select {
		case <-tick.C:
		case <-l.changed:
		case <-ctx.Done():
		}
	}
	l.cfg.Drain()
	l.giveBack()
	stop()
	running.Wait()
}

// giveBack removes the entries of this worker.
func (l *Leases) giveBack() {
	kv := l.bucket()
	if kv == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), ending)
	defer cancel()
	l.mu.Lock()
	mine, known := l.mine(), maps.Clone(l.leases)
	l.holding = nil
	l.mu.Unlock()
	l.each(mine, func(id string) { l.remove(ctx, kv, id, known[id]) })
	_ = kv.Purge(ctx, workerPrefix+l.cfg.Name) // else it expires
}

// mine returns the ids of the entries of this worker. The caller holds the lock.
func (l *Leases) mine() []string {
	var ids []string
	for id, o := range l.leases {
		if o.worker == l.cfg.Name {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// open opens the bucket, and creates it if there is none.
func (l *Leases) open(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := l.cfg.JetStream.KeyValue(ctx, l.cfg.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = l.cfg.JetStream.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: l.cfg.Bucket, Description: "usher: which push worker has which subscription", History: 1,
			Replicas: max(1, l.cfg.Replicas), Storage: jetstream.FileStorage,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("push.bucket: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kv = kv
	return kv, nil
}

func (l *Leases) bucket() jetstream.KeyValue {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kv
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// failed logs that something of the bucket failed, and what follows from it.
func (l *Leases) failed(ctx context.Context, consequence string, err error) {
	if ctx.Err() == nil {
		hint := "the service user must be allowed to publish to $JS.API.> and $KV." + l.cfg.Bucket + ".>"
		if !l.cfg.JetStream.Conn().IsConnected() {
			hint = "there is no connection to nats-server now; nothing is to do here once it is back"
		}
		l.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "push workers cannot share the work", slog.String("consequence", consequence), slog.String("error", err.Error()), slog.String("hint", hint))
	}
}
