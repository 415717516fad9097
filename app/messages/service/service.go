// Package service joins the parts that a running usher needs for messages of projects: the
// connections into their accounts, the store of messages, and what keeps their streams in
// step with the directory. It decides nothing itself.
package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/api/messages/ackid"
	"usher/app/config"
	"usher/app/messages/accountconn"
	"usher/app/messages/store"
	"usher/app/messages/streams"
	"usher/directory/snapshot"
	"usher/internal/metrics"
	"usher/issuer"
	"usher/issuer/sharedkey"
)

// Config is what a Service needs.
type Config struct {
	Config   *config.Config
	Keyring  func() *issuer.Keyring
	Snapshot func() *snapshot.Snapshot // nil: nothing is loaded yet
	Now      func() time.Time
	Log      *slog.Logger
}

// Service has the parts. A nil Service has none, and does nothing.
type Service struct {
	Pool *accountconn.Pool

	snapshot func() *snapshot.Snapshot

	store   *store.Store     // nil: api.messages is off
	streams *streams.Service // nil: projects.streams is manual
	keeper  *streams.Keeper  // of streams
	ackKeys *sharedkey.Keys  // of store
}

// New reads files and connects nothing. It returns nil if the configuration needs no
// connection into the account of a project.
func New(cfg *Config) (*Service, error) {
	c := cfg.Config
	if !c.UsesProjectAccounts() {
		return nil, nil //nolint:nilnil // a nil Service is one
	}
	connections, err := accountconn.FromConfig(c, cfg.Keyring, cfg.Now, cfg.Log)
	if err != nil {
		return nil, err
	}
	pool, err := accountconn.New(connections)
	if err != nil {
		return nil, err
	}
	s := &Service{Pool: pool, snapshot: cfg.Snapshot}
	if c.API.Messages {
		s.store = store.New(store.Config{Accounts: pool, Now: cfg.Now})
		s.ackKeys = sharedkey.New(cfg.Keyring, ackid.Purpose, cfg.Now)
	}
	if c.Projects.Streams == config.StreamsManaged {
		s.streams = NewStreams(c, pool.JetStream, cfg.Log)
		s.keeper = streams.NewKeeper(streams.KeeperConfig{Service: s.streams, Snapshot: cfg.Snapshot, Now: cfg.Now, Log: cfg.Log})
	}
	return s, nil
}

// NewStreams returns what keeps streams as a configuration says.
func NewStreams(c *config.Config, js func(context.Context, string) (jetstream.JetStream, error), log *slog.Logger) *streams.Service {
	p := &c.Projects
	storage := jetstream.FileStorage
	if p.StreamStorage == "memory" {
		storage = jetstream.MemoryStorage
	}
	return streams.New(streams.Config{
		JetStream: js, Replicas: p.StreamReplicas, Storage: storage, MaxAge: p.StreamMaxAge, MaxBytes: int64(p.StreamMaxBytes), Log: log,
	})
}

// Store returns the messages for the API; nil: it serves none.
func (s *Service) Store() messages.Store {
	if s == nil || s.store == nil {
		return nil
	}
	return s.store
}

// AckKeys returns the keys of ack ids; nil: the API serves no messages.
func (s *Service) AckKeys() ackid.Keys {
	if s == nil || s.ackKeys == nil {
		return nil
	}
	return s.ackKeys
}

// Streams returns what keeps streams in step; nil: somebody else does.
func (s *Service) Streams() messages.Streams {
	if s == nil || s.streams == nil {
		return nil
	}
	return s.streams
}

// Changed says that the directory has changed. It does not block.
func (s *Service) Changed() {
	if s != nil && s.keeper != nil {
		s.keeper.Changed()
	}
}

// Run keeps streams in step until ctx ends.
func (s *Service) Run(ctx context.Context) {
	if s != nil && s.keeper != nil {
		s.keeper.Run(ctx)
	}
}

// StreamsInStep returns why the streams are not in step with the directory yet; nil: they
// are, or somebody else keeps them.
func (s *Service) StreamsInStep() error {
	if s == nil {
		return nil
	}
	return s.keeper.InStep(s.snapshot())
}

// States returns the metrics.
func (s *Service) States() []metrics.State {
	if s == nil {
		return nil
	}
	return s.keeper.States()
}

// Close closes the connections into accounts.
func (s *Service) Close() {
	if s != nil {
		s.Pool.Close()
	}
}
