package streams

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/api/wire"
	"usher/directory"
	"usher/internal/plural"
	"usher/permissions"
)

// Target is what the directory wants of a project.
type Target struct {
	Project  *directory.Project // of a snapshot: its topics have their subjects
	Revision uint64             // of the directory
	// Clean also removes the subjects of topics and the consumers of subscriptions that the
	// directory does not have, unless messages would be lost.
	Clean bool
	// Force goes on although a newer directory was applied before.
	Force bool
}

// StreamName is the name of the stream of a project.
func StreamName(p *directory.Project) string { return p.Name }

// DeadLetters is the subject of the dead letters of a project, which its stream stores too.
func DeadLetters(p *directory.Project) string { return p.Name + "._dead.>" }

// AckWait is how long a subscriber may take to acknowledge a message.
func AckWait(s *directory.Subscription) time.Duration {
	return time.Duration(cmp.Or(s.AckDeadline, wire.DefaultAckDeadline)) * time.Second
}

// Plan returns what is to be done so that JetStream has what the directory wants; nothing if
// it has. Steps that are conflicts say what only an operator can decide.
func Plan(t *Target, f *Found) []Step {
	pl := &planner{t: t, f: f, id: t.Project.ID.String()}
	if !pl.stream() {
		return pl.steps
	}
	pl.consumers()
	pl.mark()
	return pl.steps
}

type planner struct {
	t     *Target
	f     *Found
	id    string
	steps []Step
}

func (pl *planner) add(s Step) { //nolint:gocritic // the list keeps the copy
	s.Stream = StreamName(pl.t.Project)
	pl.steps = append(pl.steps, s)
}

func (pl *planner) conflict(consumer, hint, format string, args ...any) {
	pl.add(Step{Action: Conflict, Consumer: consumer, Problem: fmt.Sprintf(format, args...), Hint: hint})
}

// stream plans the stream, and reports whether its consumers can be planned.
func (pl *planner) stream() bool {
	p, s := pl.t.Project, pl.f.Stream
	switch {
	case s == nil && len(p.Topics) == 0:
		return false
	case s == nil:
		if pl.overlap(pl.wanted(nil)) {
			return false
		}
		pl.add(Step{Action: CreateStream, Subjects: pl.wanted(nil), Added: pl.wanted(nil)})
		return true
	}
	owner, marked := s.Metadata[metaProject]
	revision, _ := strconv.ParseUint(s.Metadata[metaRevision], 10, 64)
	switch {
	case marked && owner != pl.id && s.Messages > 0:
		pl.conflict("", "delete the stream if nobody needs its messages (nats stream rm "+s.Name+"), or rename the project",
			"stream %s has %s of another project, which had this name before", s.Name, plural.Count(int(s.Messages), "message")) //nolint:gosec // no more than there can be
	case s.Mirror:
		pl.conflict("", "give the stream or the project another name", "stream %s is a mirror, so it stores no topics", s.Name)
	case s.Sealed:
		pl.conflict("", "give the stream or the project another name", "stream %s is sealed, so it stores no messages", s.Name)
	case s.NoAck:
		pl.conflict("", "nats stream edit "+s.Name+" --ack", "stream %s acknowledges no messages (no_ack), so publishers do not learn what is stored", s.Name)
	case marked && owner == pl.id && revision > pl.t.Revision && !pl.t.Force:
		pl.add(Step{Action: Stale})
	default:
		return pl.subjects(s)
	}
	return false
}

// subjects plans the subjects of the stream, and reports whether it can have all.
func (pl *planner) subjects(s *Stream) bool {
	keep := s.Subjects
	if pl.t.Clean {
		keep = slices.DeleteFunc(slices.Clone(keep), pl.gone)
	}
	next := pl.wanted(keep)
	added, removed := without(next, s.Subjects), without(s.Subjects, next)
	for _, subject := range added {
		if i := slices.IndexFunc(keep, func(k string) bool { return permissions.Overlaps(k, subject) }); i >= 0 {
			pl.conflict("", "remove "+keep[i]+" from the stream, or replace it by a subject that includes "+subject,
				"stream %s has subject %s, which overlaps %s of the project without including it", s.Name, keep[i], subject)
			return false
		}
	}
	if pl.overlap(added) {
		return false
	}
	if len(added)+len(removed) > 0 {
		pl.add(Step{Action: UpdateStream, Subjects: next, Added: added, Removed: removed})
	}
	return true
}

// gone reports whether a subject of the stream was that of a topic. A subject with wildcards
// never was; an operator has set it.
func (pl *planner) gone(subject string) bool {
	return !strings.ContainsAny(subject, "*>") &&
		!slices.ContainsFunc(pl.t.Project.Topics, func(t directory.Topic) bool { return t.Subject == subject })
}

// wanted returns subjects with those of the project that they do not include.
func (pl *planner) wanted(have []string) []string {
	p := pl.t.Project
	next := slices.Clone(have)
	literal := make(map[string]bool, len(have))
	var wild []string
	for _, h := range have {
		if literal[h] = true; strings.ContainsAny(h, "*>") {
			wild = append(wild, h)
		}
	}
	need := func(subject string) {
		if !literal[subject] && !slices.ContainsFunc(wild, func(w string) bool { return includes(w, subject) }) {
			next = append(next, subject)
		}
	}
	dead := DeadLetters(p)
	need(dead)
	wild = append(wild, dead)
	for _, subject := range slices.Sorted(func(yield func(string) bool) {
		for i := range p.Topics {
			if !yield(p.Topics[i].Subject) {
				return
			}
		}
	}) {
		need(subject)
	}
	return next
}

// overlap reports as a conflict that another stream of the account stores one of the subjects.
func (pl *planner) overlap(subjects []string) bool {
	for i := range pl.f.Others {
		o := &pl.f.Others[i]
		for _, theirs := range o.Subjects {
			for _, subject := range subjects {
				if permissions.Overlaps(theirs, subject) && o.Metadata[metaProject] != pl.id {
					pl.conflict("", overlapHint(theirs, o.Name), "stream %s stores %s, which overlaps %s of the project, and JetStream stores a message in one stream only", o.Name, theirs, subject)
					return true
				}
			}
		}
	}
	return false
}

func overlapHint(subject, stream string) string {
	return "remove " + subject + " from stream " + stream + " (nats stream edit), or delete that stream"
}

// consumers plans the consumers of the subscriptions.
func (pl *planner) consumers() {
	p := pl.t.Project
	subjects := make(map[string]string, len(p.Topics))
	for i := range p.Topics {
		subjects[p.Topics[i].Name] = p.Topics[i].Subject
	}
	has := make(map[string]bool, len(p.Subscriptions))
	for i := range p.Subscriptions {
		sub := &p.Subscriptions[i]
		has[sub.Name] = true
		if filter := subjects[sub.Topic]; filter != "" { // else its topic is missing, and the directory says so
			pl.consumer(sub, filter)
		}
	}
	if !pl.t.Clean {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(pl.f.Consumers)) {
		c := pl.f.Consumers[name]
		switch {
		case has[name] || c.Metadata[metaProject] != pl.id:
		case c.Unread > 0:
			pl.add(Step{
				Action: Left, Consumer: name, Hint: "delete the consumer if nobody needs them: nats consumer rm " + StreamName(p) + " " + name,
				Problem: fmt.Sprintf("the directory has no subscription %s any more, but its consumer has %s that nobody has acknowledged", name, plural.Count(int(c.Unread), "message")), //nolint:gosec // no more than there can be
			})
		default:
			pl.add(Step{Action: DeleteConsumer, Consumer: name})
		}
	}
}

func (pl *planner) consumer(sub *directory.Subscription, filter string) {
	wait := AckWait(sub)
	step := Step{Consumer: sub.Name, Filter: filter, AckWait: wait}
	c, ok := pl.f.Consumers[sub.Name]
	if !ok {
		step.Action = CreateConsumer
		pl.add(step)
		return
	}
	hint := "delete it (nats consumer rm " + StreamName(pl.t.Project) + " " + sub.Name + "), and usher creates it again at the end of the topic; or give the subscription another name"
	owned := c.Metadata[metaProject] == pl.id
	filtered := slices.Equal(c.Filters, []string{filter})
	switch {
	case c.Push:
		pl.conflict(sub.Name, hint, "consumer %s is a push consumer, but a subscription is a pull consumer", sub.Name)
	case !c.Durable:
		pl.conflict(sub.Name, hint, "consumer %s is not durable, so it ends with its client", sub.Name)
	case c.AckPolicy != ackExplicit:
		pl.conflict(sub.Name, hint, "consumer %s has ack policy %s, but messages of a subscription are acknowledged one by one (explicit)", sub.Name, c.AckPolicy)
	case !filtered && !owned:
		pl.conflict(sub.Name, hint, "consumer %s reads %s, not %s of topic %s, and usher did not make it", sub.Name, filtersText(c.Filters), filter, sub.Topic)
	case !filtered || !owned || c.AckWait != wait && !c.BackOff:
		step.Action, step.WasFilter, step.WasAckWait = UpdateConsumer, filtersText(c.Filters), c.AckWait
		if c.BackOff {
			step.AckWait = c.AckWait
		}
		pl.add(step)
	}
}

// mark plans that the stream records for which project and revision it was changed, before
// anything else is.
func (pl *planner) mark() {
	s := pl.f.Stream
	if s == nil {
		return
	}
	changes := slices.ContainsFunc(pl.steps, Step.changes)
	first := len(pl.steps) > 0 && pl.steps[0].Action == UpdateStream
	if s.Metadata[metaProject] != pl.id || changes && !first {
		pl.add(Step{Action: MarkStream, Subjects: s.Subjects})
		last := len(pl.steps) - 1
		pl.steps = slices.Insert(pl.steps[:last], 0, pl.steps[last])
	}
}

func filtersText(filters []string) string {
	if len(filters) == 0 {
		return "everything"
	}
	return strings.Join(filters, ", ")
}

// without returns the items of a that are not in b.
func without(a, b []string) []string {
	drop := make(map[string]bool, len(b))
	for _, x := range b {
		drop[x] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return drop[x] })
}

// includes reports whether every subject that matches b also matches a.
func includes(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i, t := range as {
		switch {
		case t == ">":
			return len(bs) > i
		case i >= len(bs) || bs[i] == ">" || t != "*" && t != bs[i]:
			return false
		}
	}
	return len(as) == len(bs)
}
