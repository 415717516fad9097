package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"usher/permissions"
)

const (
	// attempts is how often a plan is made again because somebody else has changed the stream
	// meanwhile.
	attempts = 4

	// maxAckPending is how many messages of a subscription may be out for acknowledgement.
	maxAckPending = 100_000

	// errSubjectOverlap is what JetStream answers if another stream has a subject.
	errSubjectOverlap jetstream.ErrorCode = 10065

	description = "messages of a project, kept by usher"
)

// apply makes JetStream have what the directory wants. The caller holds the lock of the
// project. Conflicts do not keep it from doing the rest.
func (s *Service) apply(ctx context.Context, t *Target) error {
	js, err := s.cfg.JetStream(ctx, t.Project.Account)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		l, err := look(ctx, js, StreamName(t.Project))
		if err != nil {
			return err
		}
		steps := Plan(t, l.found)
		if err = s.run(ctx, js, t, l, steps); err == nil || attempt == attempts || !again(err) {
			return err
		}
	}
}

// again reports whether an error means that somebody else was faster.
func again(err error) bool {
	for _, e := range []error{
		jetstream.ErrStreamNotFound, jetstream.ErrStreamNameAlreadyInUse, jetstream.ErrConsumerNotFound,
		jetstream.ErrConsumerExists, jetstream.ErrConsumerDoesNotExist, errReleased,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// errReleased: the former stream of the project gave up subjects.
var errReleased = errors.New("the former stream of the project has given up its subjects")

// run does the steps of a plan.
func (s *Service) run(ctx context.Context, js jetstream.JetStream, t *Target, l *looked, steps []Step) error {
	var undone []error
	for i := range steps {
		step := &steps[i]
		switch step.Action { //nolint:exhaustive // the others are to be done
		case Stale:
			return ErrStale
		case Left:
		case Conflict:
			undone = append(undone, &ConflictError{Step: *step})
		default:
			if err := s.do(ctx, js, t, l, step); err != nil {
				return err
			}
			s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "JetStream follows the directory", slog.String("project", t.Project.Name), slog.String("step", step.String()))
		}
	}
	return errors.Join(undone...)
}

func (s *Service) do(ctx context.Context, js jetstream.JetStream, t *Target, l *looked, step *Step) (err error) {
	owner := Owned(t.Project)
	switch step.Action { //nolint:exhaustive // the others cannot be done
	case CreateStream:
		_, err = js.CreateStream(ctx, s.newStream(t, step.Subjects))
	case UpdateStream, MarkStream:
		c := l.config
		c.Subjects, c.Metadata = step.Subjects, withMetadata(c.Metadata, marks(t))
		_, err = js.UpdateStream(ctx, c)
	case CreateConsumer:
		_, err = js.CreateConsumer(ctx, step.Stream, jetstream.ConsumerConfig{
			Durable: step.Consumer, FilterSubject: step.Filter, AckWait: step.AckWait, Metadata: owner,
			AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy, MaxAckPending: maxAckPending,
		})
	case UpdateConsumer:
		c := l.consumers[step.Consumer]
		c.FilterSubject, c.FilterSubjects, c.AckWait, c.Metadata = step.Filter, nil, step.AckWait, withMetadata(c.Metadata, owner)
		_, err = js.UpdateConsumer(ctx, step.Stream, c)
	case DeleteConsumer:
		if err = js.DeleteConsumer(ctx, step.Stream, step.Consumer); errors.Is(err, jetstream.ErrConsumerNotFound) {
			err = nil
		}
	default:
		return fmt.Errorf("%s is no step that can be done", step.Action)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == errSubjectOverlap {
		return s.resolveOverlap(ctx, js, t, step)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

// newStream returns the configuration of a stream that is created.
func (s *Service) newStream(t *Target, subjects []string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: StreamName(t.Project), Description: description, Subjects: subjects, Metadata: marks(t),
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, AllowDirect: true,
		MaxAge: s.cfg.MaxAge, MaxBytes: s.cfg.MaxBytes, Replicas: s.cfg.Replicas, Storage: s.cfg.Storage,
	}
}

func marks(t *Target) map[string]string {
	return map[string]string{metaProject: t.Project.ID.String(), metaRevision: strconv.FormatUint(t.Revision, 10)}
}

// resolveOverlap says which stream has a subject of the project. If that is the stream which
// the project had under another name, it takes the subjects away from it.
func (s *Service) resolveOverlap(ctx context.Context, js jetstream.JetStream, t *Target, step *Step) error {
	for _, subject := range step.Added {
		list := js.ListStreams(ctx, jetstream.WithStreamListSubject(subject))
		for info := range list.Info() {
			if info.Config.Name == step.Stream {
				continue
			}
			if info.Config.Metadata[metaProject] == t.Project.ID.String() {
				if err := release(ctx, js, info.Config, step.Added); err != nil {
					return err
				}
				return errReleased
			}
			theirs := subject
			for _, x := range info.Config.Subjects {
				if permissions.Overlaps(x, subject) {
					theirs = x
				}
			}
			return &ConflictError{Step: Step{
				Action: Conflict, Stream: step.Stream, Hint: overlapHint(theirs, info.Config.Name),
				Problem: fmt.Sprintf("stream %s stores %s, which overlaps %s of the project", info.Config.Name, theirs, subject),
			}}
		}
		if err := list.Err(); err != nil {
			return fmt.Errorf("list streams with %s: %w", subject, err)
		}
	}
	return &ConflictError{Step: Step{
		Action: Conflict, Stream: step.Stream, Hint: "look for it with nats stream ls --subject",
		Problem: "another stream of the account stores a subject of the project",
	}}
}

// release removes subjects from a stream, whose messages stay.
func release(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig, subjects []string) error { //nolint:gocritic // changes its copy
	var keep []string
	for _, have := range c.Subjects {
		overlaps := false
		for _, subject := range subjects {
			overlaps = overlaps || permissions.Overlaps(have, subject)
		}
		if !overlaps {
			keep = append(keep, have)
		}
	}
	if len(keep) == 0 {
		keep = []string{c.Name + "._dead.>"} // a stream has at least one
	}
	c.Subjects = keep
	if _, err := js.UpdateStream(ctx, c); err != nil {
		return fmt.Errorf("remove subjects from stream %s: %w", c.Name, err)
	}
	return nil
}

// ConflictError is what an operator must decide.
type ConflictError struct{ Step Step }

// Error implements error.
func (e *ConflictError) Error() string { return e.Step.Problem + "; " + e.Step.Hint }

// Is makes it an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
