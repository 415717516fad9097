package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/directory"
)

// Errors that callers decide on.
var (
	// ErrConflict: an operator must decide something.
	ErrConflict = errors.New("the stream or a consumer has another form")
	// ErrStale: another usher has applied a newer directory.
	ErrStale = errors.New("another usher has applied a newer directory")
)

// Config is what a Service needs.
type Config struct {
	// JetStream returns JetStream of an account.
	JetStream func(ctx context.Context, account string) (jetstream.JetStream, error)

	// What a stream is created with. usher does not change it later.
	Replicas int
	Storage  jetstream.StorageType
	MaxAge   time.Duration // 0: no limit
	MaxBytes int64         // -1: no limit

	Log *slog.Logger
}

// Service implements messages.Streams. It is safe for concurrent use.
type Service struct {
	cfg   Config
	locks locks
}

var _ messages.Streams = (*Service)(nil)

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Keep implements messages.Streams.
func (s *Service) Keep(ctx context.Context, project *directory.Project, revision uint64) error {
	return s.Apply(ctx, &Target{Project: project, Revision: revision, Force: true})
}

// Apply makes JetStream have what the directory wants. It does what it can: an error may be a
// ConflictError, or several, after everything else is done.
func (s *Service) Apply(ctx context.Context, t *Target) error {
	unlock, err := s.locks.lock(ctx, t.Project.ID)
	if err != nil {
		return err
	}
	defer unlock()
	return s.apply(ctx, t)
}

// Plan returns what Keep would do, and changes nothing.
func (s *Service) Plan(ctx context.Context, t *Target) ([]Step, error) {
	js, err := s.cfg.JetStream(ctx, t.Project.Account)
	if err != nil {
		return nil, err
	}
	l, err := look(ctx, js, StreamName(t.Project))
	if err != nil {
		return nil, err
	}
	return Plan(t, l.found), nil
}

// looked is what JetStream has of a project, and the configurations as they are.
type looked struct {
	found     *Found
	stream    jetstream.Stream
	config    jetstream.StreamConfig
	consumers map[string]jetstream.ConsumerConfig
}

// look asks JetStream for the stream of a project and its consumers.
func look(ctx context.Context, js jetstream.JetStream, name string) (*looked, error) {
	l := &looked{found: &Found{Consumers: map[string]Consumer{}}, consumers: map[string]jetstream.ConsumerConfig{}}
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	info := stream.CachedInfo()
	l.stream, l.config, l.found.Stream = stream, info.Config, streamOf(info)
	consumers := stream.ListConsumers(ctx)
	for c := range consumers.Info() {
		l.consumers[c.Name], l.found.Consumers[c.Name] = c.Config, consumerOf(c)
	}
	if err := consumers.Err(); err != nil {
		return nil, fmt.Errorf("list consumers of stream %s: %w", name, err)
	}
	return l, nil
}
