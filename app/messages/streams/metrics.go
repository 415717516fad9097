package streams

import (
	"fmt"

	"usher/directory/snapshot"
	"usher/internal/metrics"
)

// Status is how far a Keeper has come.
type Status struct {
	InStep, Waiting, Failing int // projects
	Failures                 uint64
	LastError                error // of a project that is failing now; nil: none is
}

// Status returns how far the Keeper has come.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Status{Failures: k.failures}
	for _, x := range k.projects {
		switch {
		case x.err != nil && x.newer.IsZero():
			s.Failing, s.LastError = s.Failing+1, x.err
		case x.done:
			s.InStep++
		default:
			s.Waiting++
		}
	}
	return s
}

// InStep returns why JetStream is not in step yet with one of the projects of a directory;
// nil: it is, or k is nil.
func (k *Keeper) InStep(s *snapshot.Snapshot) error {
	if k == nil || s == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range s.Projects() {
		x := k.projects[p.ID]
		switch {
		case x != nil && x.err != nil:
			return fmt.Errorf("streams of project %s: %w", p.Name, x.err)
		case x == nil || !x.done || !same(x.seen, p):
			return fmt.Errorf("streams of project %s: not made yet", p.Name)
		}
	}
	return nil
}

// States returns the metrics of a Keeper; nil: projects.streams is manual.
func (k *Keeper) States() []metrics.State {
	if k == nil {
		return nil
	}
	return []metrics.State{
		{
			Name: "usher_streams_projects", Labels: []string{"state"},
			Help: "Projects by whether JetStream is in step with the directory: in_step, waiting to be looked at, failing.",
			Read: func() []metrics.Sample {
				s := k.Status()
				return []metrics.Sample{
					{Labels: []string{"in_step"}, Value: float64(s.InStep)},
					{Labels: []string{"waiting"}, Value: float64(s.Waiting)},
					{Labels: []string{"failing"}, Value: float64(s.Failing)},
				}
			},
		},
		{
			Name: "usher_streams_failures_total", Counter: true,
			Help: "Attempts to bring the stream of a project in step with the directory that failed.",
			Read: func() []metrics.Sample {
				return []metrics.Sample{{Value: float64(k.Status().Failures)}}
			},
		},
	}
}
