package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
)

// WouldLose implements messages.Streams. It counts nothing that Remove does not delete.
func (s *Service) WouldLose(ctx context.Context, project *directory.Project, topic, subscription string) (uint64, error) {
	js, err := s.cfg.JetStream(ctx, project.Account)
	if err != nil {
		return 0, err
	}
	stream, err := ownStream(ctx, js, project)
	if stream == nil || err != nil {
		return 0, err
	}
	switch {
	case subscription != "":
		c, err := ownConsumer(ctx, stream, project, subscription)
		if c == nil || err != nil {
			return 0, err
		}
		return c.Unread, nil
	case topic != "":
		subject := subjectOf(project, topic)
		if subject == "" {
			return 0, nil
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
		if err != nil {
			return 0, fmt.Errorf("messages of topic %s: %w", topic, err)
		}
		return info.State.Subjects[subject], nil
	default:
		return stream.CachedInfo().State.Msgs, nil
	}
}

// Remove implements messages.Streams. It deletes only what is marked as the project's.
func (s *Service) Remove(ctx context.Context, project *directory.Project, topic, subscription string, revision uint64) error {
	unlock, err := s.locks.lock(ctx, project.ID)
	if err != nil {
		return err
	}
	defer unlock()
	js, err := s.cfg.JetStream(ctx, project.Account)
	if err != nil {
		return err
	}
	stream, err := ownStream(ctx, js, project)
	if stream == nil || err != nil {
		return err
	}
	t := &Target{Project: project, Revision: revision}
	name := StreamName(project)
	switch {
	case subscription != "":
		c, err := ownConsumer(ctx, stream, project, subscription)
		if c == nil || err != nil {
			return err
		}
		if err := s.narrow(ctx, js, stream, t, ""); err != nil {
			return err
		}
		err = js.DeleteConsumer(ctx, name, subscription)
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("delete consumer %s of stream %s: %w", subscription, name, err)
		}
		s.log(ctx, project, "deleted consumer "+subscription)
	case topic != "":
		subject := subjectOf(project, topic)
		if subject == "" {
			return nil
		}
		if err := s.narrow(ctx, js, stream, t, subject); err != nil {
			return err
		}
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("purge %s from stream %s: %w", subject, name, err)
		}
		s.log(ctx, project, "removed "+subject+" and its messages")
	default:
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
		s.log(ctx, project, "deleted stream "+name)
	}
	return nil
}

func (s *Service) log(ctx context.Context, p *directory.Project, step string) {
	s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "JetStream follows the directory", slog.String("project", p.Name), slog.String("step", step))
}

// narrow removes a subject from a stream, and marks the stream with the revision, so that an
// usher with an older directory does not bring back what is removed.
func (s *Service) narrow(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, t *Target, subject string) error {
	c := stream.CachedInfo().Config
	c.Subjects = slices.DeleteFunc(slices.Clone(c.Subjects), func(x string) bool { return x == subject })
	if len(c.Subjects) == 0 {
		c.Subjects = []string{DeadLetters(t.Project)}
	}
	c.Metadata = withMetadata(c.Metadata, marks(t))
	if _, err := js.UpdateStream(ctx, c); err != nil {
		return fmt.Errorf("change stream %s: %w", c.Name, err)
	}
	return nil
}

// ownStream returns the stream of a project; nil: there is none, or it is not marked as the
// project's.
func ownStream(ctx context.Context, js jetstream.JetStream, p *directory.Project) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, StreamName(p))
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, fmt.Errorf("stream %s: %w", StreamName(p), err)
	case stream.CachedInfo().Config.Metadata[metaProject] != p.ID.String():
		return nil, nil //nolint:nilnil // it is not the project's
	}
	return stream, nil
}

// ownConsumer returns the consumer of a subscription; nil: there is none, or it is not marked
// as the project's.
func ownConsumer(ctx context.Context, stream jetstream.Stream, p *directory.Project, name string) (*Consumer, error) {
	consumer, err := stream.Consumer(ctx, name)
	if errors.Is(err, jetstream.ErrNotPullConsumer) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", name, err)
	}
	c := consumerOf(consumer.CachedInfo())
	if c.Metadata[metaProject] != p.ID.String() {
		return nil, nil //nolint:nilnil // it is not the project's
	}
	return &c, nil
}

// subjectOf returns the subject of a topic; empty: there is no such topic.
func subjectOf(p *directory.Project, topic string) string {
	i := slices.IndexFunc(p.Topics, func(t directory.Topic) bool { return t.Name == topic })
	if i < 0 {
		return ""
	}
	return p.Topics[i].Subject
}
