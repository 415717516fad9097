// Package projectstreams compares the streams and consumers of projects with the directory,
// for usher check: by the same plan by which a running usher keeps them. It asks nobody and
// changes nothing.
package projectstreams

import (
	"slices"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/messages/streams"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/internal/plural"
	"usher/issuer/operator"
	"usher/permissions"
)

const check = "project streams"

// Check appends what it finds to f. of returns the streams of an account.
func Check(f *finding.List, cfg *config.Config, s *snapshot.Snapshot, of func(account string) []operator.Stream) {
	managed := cfg.Projects.Streams == config.StreamsManaged
	checked, before := 0, len(*f)
	for p := range s.Projects() {
		found := foundFor(p, of(p.Account))
		if managed {
			checkManaged(f, p, s, found)
		} else {
			checkManual(f, p, found)
		}
		checked++
	}
	if len(*f) == before {
		f.OK(check, "", "%s: streams and consumers are as the directory says", plural.Count(checked, "project"))
	}
}

// checkManaged reports what a running usher would change, and what it cannot.
func checkManaged(f *finding.List, p *directory.Project, s *snapshot.Snapshot, found *streams.Found) {
	target := &streams.Target{Project: p, Revision: s.Latest(), Clean: !s.UnreadableIn(p), Force: true}
	steps := streams.Plan(target, found)
	for i := range steps {
		switch step := &steps[i]; step.Action { //nolint:exhaustive // a running usher does the others
		case streams.Conflict:
			f.Fail(fault.Config, check, where(p, step), step.Hint, "%s", step.Problem)
		case streams.Left:
			f.Warn(check, where(p, step), step.Hint, "%s", step.Problem)
		default:
			f.Warn(check, where(p, step), "a running usher serve does it; its log and the metric usher_streams_projects say why it has not", "not done yet: %s", step)
		}
	}
}

// checkManual reports what subscribers of a project miss. A project without subscriptions may
// well do without a stream, and its topics may be in other streams.
func checkManual(f *finding.List, p *directory.Project, found *streams.Found) {
	if len(p.Subscriptions) == 0 {
		return
	}
	const hint = "nats stream add and nats consumer add make it, or projects.streams: managed (docs/how-to/streams.md)"
	if found.Stream != nil { // nobody marks it
		found.Stream.Metadata = streams.Owned(p)
		for name, c := range found.Consumers {
			c.Metadata = streams.Owned(p)
			found.Consumers[name] = c
		}
	}
	own := *found
	own.Others = nil
	steps := streams.Plan(&streams.Target{Project: p, Force: true}, &own)
	for i := range steps {
		step := &steps[i]
		switch step.Action { //nolint:exhaustive // the others are no fault in manual mode
		case streams.Conflict:
			f.Warn(check, where(p, step), step.Hint, "%s", step.Problem)
		case streams.CreateStream:
			f.Warn(check, where(p, step), hint, "there is no stream %s, so nobody can consume its subscriptions", step.Stream)
			return
		case streams.UpdateStream:
			if missing := unstored(p, found); len(missing) > 0 {
				f.Warn(check, where(p, step), "add them to the stream: nats stream edit "+step.Stream, "no stream stores %s", list(missing))
			}
		case streams.CreateConsumer:
			f.Warn(check, where(p, step), hint, "stream %s has no consumer %s", step.Stream, step.Consumer)
		case streams.UpdateConsumer:
			f.Warn(check, where(p, step), "nats consumer edit "+step.Stream+" "+step.Consumer, "the directory wants another: %s", step)
		}
	}
}

// unstored returns the topics of a project that no stream of its account stores.
func unstored(p *directory.Project, found *streams.Found) (subjects []string) {
	all := slices.Clone(found.Others)
	if found.Stream != nil {
		all = append(all, *found.Stream)
	}
	for i := range p.Topics {
		subject := p.Topics[i].Subject
		stored := slices.ContainsFunc(all, func(s streams.Stream) bool {
			return slices.ContainsFunc(s.Subjects, func(x string) bool { return permissions.Overlaps(x, subject) })
		})
		if !stored {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}

func list(subjects []string) string {
	const most = 5
	if len(subjects) > most {
		return subjects[0] + " and " + plural.Count(len(subjects)-1, "other topic")
	}
	text := subjects[0]
	for _, s := range subjects[1:] {
		text += ", " + s
	}
	return text
}

func where(p *directory.Project, s *streams.Step) string {
	text := p.Account + ": " + s.Stream
	if s.Consumer != "" {
		text += " " + s.Consumer
	}
	return text
}

// foundFor returns what the servers have of a project.
func foundFor(p *directory.Project, all []operator.Stream) *streams.Found {
	found := &streams.Found{Consumers: map[string]streams.Consumer{}}
	for i := range all {
		s := &all[i]
		stream := streams.Stream{
			Name: s.Name, Subjects: s.Subjects, Metadata: s.Metadata, Messages: s.Messages,
			Mirror: s.Mirror != nil, Sealed: s.Sealed, NoAck: s.NoAck,
		}
		if s.Name != streams.StreamName(p) {
			found.Others = append(found.Others, stream)
			continue
		}
		found.Stream = &stream
		for name := range s.Consumers {
			c := s.Consumers[name]
			filters := c.Filters
			if c.Filter != "" {
				filters = []string{c.Filter}
			}
			found.Consumers[name] = streams.Consumer{
				Durable: c.Durable != "", Push: c.Deliver != "", AckPolicy: c.AckPolicy, Filters: filters,
				AckWait: c.AckWait, BackOff: len(c.BackOff) > 0, Metadata: c.Metadata, Unread: c.Unread,
			}
		}
	}
	return found
}
