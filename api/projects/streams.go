package projects

import (
	"context"
	"fmt"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/directory"
	"usher/directory/snapshot"
)

// streamsLimit bounds the time that a request waits for JetStream.
const streamsLimit = 10 * time.Second

// keepStreams brings JetStream in step with a committed change of a project. The change is
// made either way, so a failure is a warning: usher tries again by itself.
func (h *Handlers) keepStreams(r *rest.Request, response *rest.Response, next *snapshot.Snapshot, project string) {
	p, ok := next.Project(project)
	if h.cfg.Streams == nil || !ok {
		return
	}
	h.afterCommit(r, response, "usher tries again by itself", func(ctx context.Context) error {
		return h.cfg.Streams.Keep(ctx, p, next.Latest())
	})
}

// removeStreams deletes what JetStream has of a topic or a subscription, or with both empty of
// a project, after it was removed from the directory. before is the project as it was.
func (h *Handlers) removeStreams(r *rest.Request, response *rest.Response, next *snapshot.Snapshot, before *directory.Project, topic, subscription string) {
	if h.cfg.Streams == nil || before == nil {
		return
	}
	h.afterCommit(r, response, "usher check says what is left", func(ctx context.Context) error {
		return h.cfg.Streams.Remove(ctx, before, topic, subscription, next.Latest())
	})
}

func (h *Handlers) afterCommit(r *rest.Request, response *rest.Response, then string, f func(context.Context) error) {
	// The client may have gone, but its change was made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), streamsLimit)
	defer cancel()
	if err := f(ctx); err != nil {
		response.Warnings = append(response.Warnings, fmt.Sprintf("the directory is changed, but JetStream is not in step with it: %v; %s", err, then))
	}
}

// checkLoss refuses to remove a topic or a subscription, or with both empty a project, if
// messages would be lost with it and the request does not say purge.
func (h *Handlers) checkLoss(r *rest.Request, kind apierror.Kind, project, topic, subscription string) error {
	purge, err := r.Flag(paramPurge)
	if err != nil || purge || h.cfg.Streams == nil {
		return err
	}
	p, ok := r.Snapshot.Project(project)
	if !ok {
		return nil // Commit says so
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamsLimit)
	defer cancel()
	n, err := h.cfg.Streams.WouldLose(ctx, p, topic, subscription)
	switch {
	case err != nil:
		return apierror.StreamsUnavailable(err)
	case n > 0:
		return apierror.WouldLose(kind, n)
	}
	return nil
}

// moveStreams brings JetStream in step after a project has another name or account. It deletes
// the stream that it had before if that has no messages.
func (h *Handlers) moveStreams(r *rest.Request, response *rest.Response, next *snapshot.Snapshot, before *directory.Project, after string) {
	h.keepStreams(r, response, next, after)
	now, ok := next.Project(after)
	if h.cfg.Streams == nil || before == nil || !ok || now.Name == before.Name && now.Account == before.Account {
		return
	}
	h.afterCommit(r, response, "delete the stream if nobody needs it", func(ctx context.Context) error {
		n, err := h.cfg.Streams.WouldLose(ctx, before, "", "")
		switch {
		case err != nil:
			return fmt.Errorf("stream %s in account %s stays: %w", before.Name, before.Account, err)
		case n > 0:
			return fmt.Errorf("stream %s in account %s stays, with %d message(s)", before.Name, before.Account, n)
		}
		return h.cfg.Streams.Remove(ctx, before, "", "", next.Latest())
	})
}
