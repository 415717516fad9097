package bulk

import (
	"context"
	"iter"

	"usher/api/projects"
	"usher/directory"
	"usher/directory/snapshot"
)

// Config is what the handlers need.
type Config struct {
	Projects *projects.Handlers // creates and checks the accounts of projects
	// Seal seals the authorization header of a subscription, as in transfer.Options.
	Seal func(ctx context.Context, project *directory.Project, sub, header string, was *directory.PushAuthorization) (*directory.PushAuthorization, error)
	// Doubts says to which subscriptions among the entries of a plan nothing will be pushed.
	Doubts func(ctx context.Context, s *snapshot.Snapshot, entries iter.Seq[directory.Entry]) []string

	DefaultAccount  string // as in projects.Config
	AccountRequired bool   // as in projects.Config
}

// Handlers are the handlers of this package.
type Handlers struct{ cfg Config }

// New returns the handlers. The zero Config is enough for Routes.
func New(cfg Config) *Handlers { return &Handlers{cfg} }
