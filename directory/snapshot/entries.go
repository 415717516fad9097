package snapshot

import (
	"iter"
	"slices"

	"github.com/google/uuid"

	"usher/directory"
)

// Entries yields all entries of which the snapshot was made, including those that are not
// visible.
func (s *Snapshot) Entries() iter.Seq[directory.Entry] {
	return func(yield func(directory.Entry) bool) {
		for e := range s.usersByID.All() {
			if !e.entries(yield) {
				return
			}
		}
		for p := range s.projectsByID.All() {
			if !p.entries(yield) {
				return
			}
		}
		for b := range s.bans.All() {
			if !yield(directory.Entry{Key: directory.BanKey(b.ID), Revision: b.Revision, Value: b}) {
				return
			}
		}
		for k, revision := range s.unreadable.revisions {
			if !yield(directory.Entry{Key: k, Revision: revision, Value: &directory.Unreadable{}}) {
				return
			}
		}
		for _, entry := range s.conflictsInOrder() {
			if !yield(entry) {
				return
			}
		}
	}
}

func (e *userEntry) entries(yield func(directory.Entry) bool) bool {
	if e.exists && !yield(directory.Entry{Key: directory.UserKey(e.id), Revision: e.user.Revision, Value: e.user}) {
		return false
	}
	for i := range e.user.Keys {
		k := &e.user.Keys[i]
		if !yield(directory.Entry{Key: directory.KeyKey(e.id, k.ID), Revision: k.Revision, Value: k}) {
			return false
		}
	}
	for i := range e.access {
		a := &e.access[i]
		if a.roles != nil && !yield(directory.Entry{Key: directory.MemberKey(a.project, e.id), Revision: a.revision, Value: &directory.Member{Roles: *a.roles}}) {
			return false
		}
	}
	return true
}

func (p *projectEntry) entries(yield func(directory.Entry) bool) bool {
	if p.exists && !yield(directory.Entry{Key: directory.ProjectKey(p.id), Revision: p.project.Revision, Value: &p.project}) {
		return false
	}
	for _, t := range p.topics {
		if t.exists && !yield(directory.Entry{Key: directory.ResourceKey(directory.KindTopic, p.id, t.name), Revision: t.view.Revision, Value: statedTopic(t)}) {
			return false
		}
		if !yieldACL(t, directory.KindTopicACL, p.id, yield) {
			return false
		}
	}
	for _, s := range p.subs {
		if s.exists && !yield(directory.Entry{Key: directory.ResourceKey(directory.KindSubscription, p.id, s.name), Revision: s.view.Revision, Value: &s.view}) {
			return false
		}
		if !yieldACL(s, directory.KindSubscriptionACL, p.id, yield) {
			return false
		}
	}
	return true
}

func yieldACL[T any](r *resource[T], kind directory.Kind, project uuid.UUID, yield func(directory.Entry) bool) bool {
	return r.acl == nil || yield(directory.Entry{Key: directory.ResourceKey(kind, project, r.name), Revision: r.aclRevision, Value: &directory.ACL{Users: r.acl}})
}

// statedTopic returns a topic with the subject that its entry states.
func statedTopic(t *resource[directory.Topic]) *directory.Topic {
	stated := t.view
	stated.Subject = t.statedSubject
	return &stated
}

// Value returns the value of an entry, as Entries yields it; nil: there is no such entry,
// or it is unreadable or conflicting.
func (s *Snapshot) Value(k directory.EntryKey) directory.Value {
	switch k.Kind {
	case directory.KindUser, directory.KindKey, directory.KindMember:
		if e := s.user(k.User); e != nil {
			return e.value(k)
		}
	case directory.KindProject, directory.KindTopic, directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL:
		if p := s.project(k.Project); p != nil {
			return p.value(k)
		}
	case directory.KindBan:
		if b, ok := s.bans.Find(k.Name); ok {
			return b
		}
	}
	return nil
}

func (e *userEntry) value(k directory.EntryKey) directory.Value {
	switch {
	case k.Kind == directory.KindKey:
		if i := slices.IndexFunc(e.user.Keys, func(x directory.Key) bool { return x.ID == k.Name }); i >= 0 {
			return &e.user.Keys[i]
		}
	case k.Kind == directory.KindMember:
		if i, ok := e.accessIn(k.Project); ok && e.access[i].roles != nil {
			return &directory.Member{Roles: *e.access[i].roles}
		}
	case e.exists:
		return e.user
	}
	return nil
}

func (p *projectEntry) value(k directory.EntryKey) directory.Value {
	switch k.Kind {
	case directory.KindProject:
		if p.exists {
			return &p.project
		}
	case directory.KindTopic:
		if i, ok := find(p.topics, k.Name); ok && p.topics[i].exists {
			return statedTopic(p.topics[i])
		}
	case directory.KindSubscription:
		if i, ok := find(p.subs, k.Name); ok && p.subs[i].exists {
			return &p.subs[i].view
		}
	case directory.KindTopicACL:
		return aclValue(p.topics, k.Name)
	case directory.KindSubscriptionACL:
		return aclValue(p.subs, k.Name)
	case directory.KindUser, directory.KindKey, directory.KindMember, directory.KindBan:
	}
	return nil
}

func aclValue[T any](list []*resource[T], name string) directory.Value {
	if i, ok := find(list, name); ok && list[i].acl != nil {
		return &directory.ACL{Users: list[i].acl}
	}
	return nil
}
