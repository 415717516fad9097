package service

import (
	"context"
	"time"

	apipush "usher/api/push"
	"usher/app/push/lease"
	"usher/directory"
)

// reading bounds how long the state of a subscription may take: what is shown beside it is
// known without NATS.
const reading = 2 * time.Second

// states reads from push.bucket how pushes go. It connects when it is first asked.
type states struct{ inside *Inside }

// State implements apipush.States.
func (s states) State(ctx context.Context, project *directory.Project, sub *directory.Subscription) (apipush.State, error) {
	ctx, cancel := context.WithTimeout(ctx, reading)
	defer cancel()
	r, err := s.reader()
	if err != nil {
		return apipush.State{}, err
	}
	return r.State(ctx, project, sub)
}

// Workers implements apipush.States.
func (s states) Workers(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, reading)
	defer cancel()
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	return r.Workers(ctx)
}

func (s states) reader() (*lease.Reader, error) {
	js, err := s.inside.bucket()
	if err != nil {
		return nil, err
	}
	return lease.NewReader(js, s.inside.cfg.Config.Push.Bucket, s.inside.cfg.Now), nil
}
