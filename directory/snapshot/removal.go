package snapshot

import (
	"slices"

	"github.com/google/uuid"

	"usher/directory"
)

func removal(k directory.EntryKey) directory.Entry { return directory.Entry{Key: k} }

// RemoveUser returns the change that removes a user, its keys and memberships, and its
// name in all ACLs. The user comes first, so that a change in several parts takes effect
// with the first part.
func (s *Snapshot) RemoveUser(id uuid.UUID) []directory.Entry {
	e := s.user(id)
	if e == nil {
		return nil
	}
	change := []directory.Entry{removal(directory.UserKey(id))}
	for i := range e.user.Keys {
		change = append(change, removal(directory.KeyKey(id, e.user.Keys[i].ID)))
	}
	change = append(change, s.removeInvisible(func(k directory.EntryKey) bool { return k.Kind == directory.KindKey && k.User == id })...)
	for i := range e.access {
		change = append(change, s.RemoveMember(e.access[i].project, id)...)
	}
	return change
}

// RemoveMember returns the change that removes a user from a project and its ACLs.
func (s *Snapshot) RemoveMember(project, user uuid.UUID) []directory.Entry {
	p := s.project(project)
	if p == nil {
		return nil
	}
	var change []directory.Entry
	if _, ok := slices.BinarySearchFunc(p.members, user, compareIDs); ok {
		change = append(change, removal(directory.MemberKey(project, user)))
	}
	change = append(change, removeFromACLs(p.topics, directory.KindTopicACL, project, user)...)
	return append(change, removeFromACLs(p.subs, directory.KindSubscriptionACL, project, user)...)
}

func removeFromACLs[T any](list []*resource[T], kind directory.Kind, project, user uuid.UUID) []directory.Entry {
	var change []directory.Entry
	for _, r := range list {
		if slices.Contains(r.acl, user) {
			rest := slices.DeleteFunc(slices.Clone(r.acl), func(id uuid.UUID) bool { return id == user })
			change = append(change, directory.Entry{Key: directory.ResourceKey(kind, project, r.name), Value: &directory.ACL{Users: rest}})
		}
	}
	return change
}

// RemoveProject returns the change that removes a project and everything that belongs to
// it. The project comes first, like the user in RemoveUser.
func (s *Snapshot) RemoveProject(id uuid.UUID) []directory.Entry {
	p := s.project(id)
	if p == nil {
		return nil
	}
	change := []directory.Entry{removal(directory.ProjectKey(id))}
	for _, user := range p.members {
		change = append(change, removal(directory.MemberKey(id, user)))
	}
	change = append(change, s.removeInvisible(func(k directory.EntryKey) bool { return k.Project == id && k.Kind != directory.KindProject })...)
	change = append(change, removeResources(p.topics, directory.KindTopic, directory.KindTopicACL, id)...)
	return append(change, removeResources(p.subs, directory.KindSubscription, directory.KindSubscriptionACL, id)...)
}

// removeInvisible returns the change that removes conflicting and unreadable entries.
func (s *Snapshot) removeInvisible(match func(directory.EntryKey) bool) []directory.Entry {
	var change []directory.Entry
	for k := range s.conflicting {
		if match(k) {
			change = append(change, removal(k))
		}
	}
	for k := range s.unreadable.revisions {
		if match(k) {
			change = append(change, removal(k))
		}
	}
	return change
}

func removeResources[T any](list []*resource[T], kind, acl directory.Kind, project uuid.UUID) []directory.Entry {
	var change []directory.Entry
	for _, r := range list {
		change = append(change, removeResource(r, kind, acl, project)...)
	}
	return change
}

func removeResource[T any](r *resource[T], kind, acl directory.Kind, project uuid.UUID) []directory.Entry {
	change := []directory.Entry{removal(directory.ResourceKey(kind, project, r.name))}
	if r.acl != nil {
		change = append(change, removal(directory.ResourceKey(acl, project, r.name)))
	}
	return change
}

// RemoveTopic returns the change that removes a topic and its ACL. Subscriptions that
// read the topic have to be removed before; Readers lists them.
func (s *Snapshot) RemoveTopic(project uuid.UUID, name string) []directory.Entry {
	if p := s.project(project); p != nil {
		return removeNamed(s, p.topics, directory.KindTopic, project, name)
	}
	return nil
}

// RemoveSubscription returns the change that removes a subscription and its ACL.
func (s *Snapshot) RemoveSubscription(project uuid.UUID, name string) []directory.Entry {
	if p := s.project(project); p != nil {
		return removeNamed(s, p.subs, directory.KindSubscription, project, name)
	}
	return nil
}

func removeNamed[T any](s *Snapshot, list []*resource[T], kind directory.Kind, project uuid.UUID, name string) []directory.Entry {
	i, ok := find(list, name)
	if !ok {
		return nil
	}
	acl := directory.ResourceKey(kind.ACLKind(), project, name)
	return append(removeResource(list[i], kind, kind.ACLKind(), project), s.removeInvisible(func(k directory.EntryKey) bool { return k == acl })...)
}
