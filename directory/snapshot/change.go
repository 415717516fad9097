package snapshot

import (
	"slices"
	"usher/directory"

	"github.com/google/uuid"
)

func put(k directory.EntryKey, v directory.Value) directory.Entry {
	return directory.Entry{Key: k, Value: v}
}

func gone(k directory.EntryKey) directory.Entry { return directory.Entry{Key: k} }

// RemoveUser returns the change that removes a user, with its keys and
// memberships, and takes it out of every ACL. The user goes first, so that a
// change that is made in several parts takes effect with the first of them.
func (s *Snapshot) RemoveUser(id uuid.UUID) []directory.Entry {
	e := s.user(id)
	if e == nil {
		return nil
	}
	change := []directory.Entry{gone(directory.UserKey(id))}
	for i := range e.user.Keys {
		change = append(change, gone(directory.KeyKey(id, e.user.Keys[i].ID)))
	}
	change = append(change, s.hidden(func(k directory.EntryKey) bool { return k.Kind == directory.KindKey && k.User == id })...)
	for i := range e.places {
		change = append(change, s.leave(e.places[i].project, id)...)
	}
	return change
}

// RemoveMember returns the change that takes a user out of a project and its ACLs.
func (s *Snapshot) RemoveMember(project, user uuid.UUID) []directory.Entry {
	return s.leave(project, user)
}

func (s *Snapshot) leave(project, user uuid.UUID) []directory.Entry {
	p := s.project(project)
	if p == nil {
		return nil
	}
	var change []directory.Entry
	if _, ok := slices.BinarySearchFunc(p.members, user, compareIDs); ok {
		change = append(change, gone(directory.MemberKey(project, user)))
	}
	change = append(change, without(p.topics, directory.KindTopicACL, project, user)...)
	return append(change, without(p.subs, directory.KindSubscriptionACL, project, user)...)
}

// without returns the ACLs that name a user, without it.
func without[T any](list []*resource[T], kind directory.Kind, project, user uuid.UUID) []directory.Entry {
	var change []directory.Entry
	for _, r := range list {
		if slices.Contains(r.acl, user) {
			rest := slices.DeleteFunc(slices.Clone(r.acl), func(id uuid.UUID) bool { return id == user })
			change = append(change, put(directory.ResourceKey(kind, project, r.name), &directory.ACL{Users: rest}))
		}
	}
	return change
}

// RemoveProject returns the change that removes a project with all that is in
// it. The project goes first, as the user does in RemoveUser.
func (s *Snapshot) RemoveProject(id uuid.UUID) []directory.Entry {
	p := s.project(id)
	if p == nil {
		return nil
	}
	change := []directory.Entry{gone(directory.ProjectKey(id))}
	for _, user := range p.members {
		change = append(change, gone(directory.MemberKey(id, user)))
	}
	change = append(change, s.hidden(func(k directory.EntryKey) bool { return k.Project == id && k.Kind != directory.KindProject })...)
	change = append(change, goneAll(p.topics, directory.KindTopic, directory.KindTopicACL, id)...)
	return append(change, goneAll(p.subs, directory.KindSubscription, directory.KindSubscriptionACL, id)...)
}

// hidden returns the change that removes what waits or cannot be read.
func (s *Snapshot) hidden(is func(directory.EntryKey) bool) []directory.Entry {
	var change []directory.Entry
	for k := range s.waiting {
		if is(k) {
			change = append(change, gone(k))
		}
	}
	for k := range s.unread.revisions {
		if is(k) {
			change = append(change, gone(k))
		}
	}
	return change
}

func goneAll[T any](list []*resource[T], kind, acl directory.Kind, project uuid.UUID) []directory.Entry {
	var change []directory.Entry
	for _, r := range list {
		change = append(change, goneResource(r, kind, acl, project)...)
	}
	return change
}

func goneResource[T any](r *resource[T], kind, acl directory.Kind, project uuid.UUID) []directory.Entry {
	change := []directory.Entry{gone(directory.ResourceKey(kind, project, r.name))}
	if r.acl != nil {
		change = append(change, gone(directory.ResourceKey(acl, project, r.name)))
	}
	return change
}

// RemoveTopic returns the change that removes a topic and its ACL. Subscriptions
// that read it have to go before; Readers lists them.
func (s *Snapshot) RemoveTopic(project uuid.UUID, name string) []directory.Entry {
	if p := s.project(project); p != nil {
		if at, ok := find(p.topics, name); ok {
			acl := directory.ResourceKey(directory.KindTopicACL, project, name)
			return append(goneResource(p.topics[at], directory.KindTopic, directory.KindTopicACL, project), s.hidden(func(k directory.EntryKey) bool { return k == acl })...)
		}
	}
	return nil
}

// RemoveSubscription returns the change that removes a subscription and its ACL.
func (s *Snapshot) RemoveSubscription(project uuid.UUID, name string) []directory.Entry {
	if p := s.project(project); p != nil {
		if at, ok := find(p.subs, name); ok {
			acl := directory.ResourceKey(directory.KindSubscriptionACL, project, name)
			return append(goneResource(p.subs[at], directory.KindSubscription, directory.KindSubscriptionACL, project), s.hidden(func(k directory.EntryKey) bool { return k == acl })...)
		}
	}
	return nil
}

// Readers returns the subscriptions of a project that read a topic.
func (s *Snapshot) Readers(project, topic string) []*directory.Subscription {
	var all []*directory.Subscription
	if p, ok := s.Project(project); ok {
		for i := range p.Subscriptions {
			if p.Subscriptions[i].Topic == topic {
				all = append(all, &p.Subscriptions[i])
			}
		}
	}
	return all
}

// IDs returns the ids of the users of these names, and the names that are nobody's
// or no member's of the project.
func (s *Snapshot) IDs(project string, names []string) (ids []uuid.UUID, strangers []string) {
	ids = make([]uuid.UUID, 0, len(names))
	for _, name := range names {
		if _, ok := s.Member(project, name); !ok {
			strangers = append(strangers, name)
			continue
		}
		ids = append(ids, s.named(name).id)
	}
	return ids, strangers
}
