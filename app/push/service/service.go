package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	apipush "usher/api/push"
	"usher/app/config"
	"usher/app/messages/store"
	"usher/app/push"
	"usher/app/push/jssource"
	"usher/app/push/lease"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/budget"
)

// Config configures a Service. Previous, Audit and Registry may be nil.
type Config struct {
	Config   *config.Config
	Name     string                    // of this process; no other may have it, at any time
	Snapshot func() *snapshot.Snapshot // nil: no directory is loaded yet
	Bucket   jetstream.JetStream       // of the account of the service user
	// JetStream returns JetStream of an account, over a connection that is shared.
	JetStream func(ctx context.Context, account string) (jetstream.JetStream, error)
	// Authorization opens the Authorization header of a subscription that has one.
	Authorization func(ctx context.Context, project *directory.Project, sub *directory.Subscription) (string, error)
	// Previous opens the value before the last rotation; nil: it is never used.
	Previous func(ctx context.Context, project *directory.Project, sub *directory.Subscription) (string, error)
	Client   push.Client
	Registry prometheus.Registerer
	Audit    *audit.Log
	Log      *slog.Logger
	Now      func() time.Time

	renew, expire time.Duration // of leases; 0: as usual
}

// accounts are the connections into accounts, as a Store asks for them.
type accounts func(ctx context.Context, account string) (jetstream.JetStream, error)

// JetStream implements store.Accounts.
func (a accounts) JetStream(ctx context.Context, account string) (jetstream.JetStream, error) {
	return a(ctx, account)
}

// Conn implements store.Accounts.
func (a accounts) Conn(ctx context.Context, account string) (*nats.Conn, error) {
	js, err := a(ctx, account)
	if err != nil {
		return nil, err
	}
	return js.Conn(), nil
}

func (c *Config) valid() error {
	if c.Config == nil || c.Name == "" || c.Snapshot == nil || c.Bucket == nil || c.JetStream == nil || c.Authorization == nil || c.Client == nil || c.Log == nil || c.Now == nil {
		return errors.New("push service: only Previous, Audit and Registry may be missing")
	}
	return nil
}

// Service pushes. Call Run.
type Service struct {
	cfg    Config
	worker *push.Worker
	leases *lease.Leases
	reader *lease.Reader
	urgent chan struct{}  // the status of a subscription has changed
	budget *budget.Budget // of all sources
	store  *store.Store

	mu      sync.Mutex // held while the worker is set
	entries map[string]entry
	held    []string
	sources map[string]source
	others  []*push.Subscription // not of the directory
	unable  unable
}

// New returns a Service that does nothing yet.
func New(cfg Config) (*Service, error) { //nolint:gocritic // once
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, entries: map[string]entry{}, sources: map[string]source{}, urgent: make(chan struct{}, 1),
		reader: lease.NewReader(cfg.Bucket, cfg.Config.Push.Bucket, cfg.Now),
		budget: jssource.NewBudget(), store: store.New(store.Config{Accounts: accounts(cfg.JetStream), Now: cfg.Now}),
	}
	var metrics *push.Metrics
	if cfg.Registry != nil {
		metrics = push.NewMetrics(cfg.Registry)
	}
	p := &cfg.Config.Push
	var err error
	s.worker, err = push.New(push.Config{
		Client: cfg.Client, Timeout: p.Timeout, Concurrency: p.Concurrency, MaxDeliveries: uint64(p.MaxDeliveries), //nolint:gosec // not negative
		Log: cfg.Log, Audit: cfg.Audit, Metrics: metrics, Now: cfg.Now,
		OnStatus: func(string) {
			select {
			case s.urgent <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return nil, err
	}
	s.leases, err = lease.New(lease.Config{
		JetStream: cfg.Bucket, Bucket: p.Bucket, Replicas: p.Replicas, Name: cfg.Name,
		Hold: s.hold, Drain: s.drain, Log: cfg.Log, Now: cfg.Now, Renew: cfg.renew, Expire: cfg.expire,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Run pushes until ctx ends. Then pushes in progress have callout.drain_timeout to end, and
// the subscriptions are given to other workers.
func (s *Service) Run(ctx context.Context) {
	inner, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.follow(inner) })
	running.Go(func() { s.shareStates(inner) })
	running.Go(func() { s.declineBlocked(inner) })
	s.leases.Run(ctx)
	stop()
	running.Wait()
}

func (s *Service) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Config.Callout.DrainTimeout)
	defer cancel()
	s.worker.Close(ctx)
}

// Ready returns nil if this worker has its share of the subscriptions, which may be none, and
// can push some of what it should.
func (s *Service) Ready() error {
	switch {
	case s.cfg.Snapshot() == nil:
		return errors.New("no directory is loaded")
	case !s.leases.Valid():
		return errors.New("the leases of this push worker in push.bucket cannot be renewed")
	}
	return s.unable.ready(s.worker.States())
}

// States tells how pushes go, those of other workers too.
func (s *Service) States() apipush.States { return s.reader }

// hold is called by the leases with what this worker has.
func (s *Service) hold(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.held)
	s.held = ids
	s.set()
	if before != len(ids) {
		s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "this process has another number of subscriptions to push", slog.Int("subscriptions", len(ids)), slog.Int("before", before))
	}
}
