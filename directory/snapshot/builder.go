package snapshot

import (
	"iter"
	"usher/directory"

	"github.com/google/uuid"
)

// Builder makes a snapshot of entries that come one at a time, in any order, as
// Apply takes them. It is for one goroutine, and for one snapshot.
type Builder struct{ d *draft }

// NewBuilder returns a Builder for a directory with nothing in it.
func NewBuilder() *Builder { return &Builder{d: newWhole()} }

// Add takes one entry. Its value belongs to the snapshot from then on.
func (b *Builder) Add(e *directory.Entry) { b.d.apply(e) }

// Snapshot returns the snapshot, and what did not fit.
func (b *Builder) Snapshot() (*Snapshot, directory.Problems) {
	s := b.d.commit()
	return s, b.d.all()
}

// Entries yields everything that the snapshot was made of, entries included that
// nobody sees because others have not come.
func (s *Snapshot) Entries() iter.Seq[directory.Entry] {
	return func(yield func(directory.Entry) bool) {
		for e := range s.ids.All() {
			if !e.entries(yield) {
				return
			}
		}
		for p := range s.projects.All() {
			if !p.all(yield) {
				return
			}
		}
		for k, revision := range s.unread.revisions {
			if !yield(directory.Entry{Key: k, Revision: revision, Value: &directory.Unreadable{}}) {
				return
			}
		}
		for _, entry := range s.inOrder() {
			if !yield(entry) {
				return
			}
		}
	}
}

func (e *userEntry) entries(yield func(directory.Entry) bool) bool {
	if e.there && !yield(directory.Entry{Key: directory.UserKey(e.id), Revision: e.user.Revision, Value: e.user}) {
		return false
	}
	for i := range e.user.Keys {
		k := &e.user.Keys[i]
		if !yield(directory.Entry{Key: directory.KeyKey(e.id, k.ID), Revision: k.Revision, Value: k}) {
			return false
		}
	}
	for i := range e.places {
		in := &e.places[i]
		if in.roles != nil && !yield(directory.Entry{Key: directory.MemberKey(in.project, e.id), Revision: in.revision, Value: &directory.Member{Roles: *in.roles}}) {
			return false
		}
	}
	return true
}

func (p *projectEntry) all(yield func(directory.Entry) bool) bool {
	if p.there && !yield(directory.Entry{Key: directory.ProjectKey(p.id), Revision: p.project.Revision, Value: &p.project}) {
		return false
	}
	for _, t := range p.topics {
		stated := t.view
		stated.Subject = t.subject
		if t.there && !yield(directory.Entry{Key: directory.ResourceKey(directory.KindTopic, p.id, t.name), Revision: t.view.Revision, Value: &stated}) {
			return false
		}
		if !aclEntry(directory.KindTopicACL, p.id, t.name, t.acl, t.revision, yield) {
			return false
		}
	}
	for _, s := range p.subs {
		if s.there && !yield(directory.Entry{Key: directory.ResourceKey(directory.KindSubscription, p.id, s.name), Revision: s.view.Revision, Value: &s.view}) {
			return false
		}
		if !aclEntry(directory.KindSubscriptionACL, p.id, s.name, s.acl, s.revision, yield) {
			return false
		}
	}
	return true
}

func aclEntry(kind directory.Kind, project uuid.UUID, name string, users []uuid.UUID, revision uint64, yield func(directory.Entry) bool) bool {
	return users == nil || yield(directory.Entry{Key: directory.ResourceKey(kind, project, name), Revision: revision, Value: &directory.ACL{Users: users}})
}
