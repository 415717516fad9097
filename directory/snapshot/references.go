package snapshot

import (
	"slices"

	"github.com/google/uuid"

	"usher/directory"
	"usher/internal/secret"
)

// checkReferences reports what an entry refers to that does not exist in s, the snapshot
// after the change. before is the snapshot before it.
func (s *Snapshot) checkReferences(e *directory.Entry, before *Snapshot) directory.Problems {
	k := e.Key
	problem := func(message string) directory.Problems {
		return directory.Problems{{Path: k.Path(), Message: message}}
	}
	if e.Value == nil || k.Kind == directory.KindUser || k.Kind == directory.KindProject {
		return nil
	}
	if k.Kind == directory.KindKey || k.Kind == directory.KindMember {
		if u := s.user(k.User); u == nil || !u.exists {
			return problem("there is no such user")
		}
	}
	if k.Kind == directory.KindKey {
		return nil
	}
	if v, ok := e.Value.(*directory.Ban); ok {
		if v.Target.User != uuid.Nil && !s.exists(directory.UserKey(v.Target.User)) {
			return problem("there is no such user")
		}
		return nil
	}
	p := s.project(k.Project)
	if p == nil || !p.hasName {
		return problem("there is no such project")
	}
	v, ok := e.Value.(*directory.ACL)
	if !ok {
		return nil
	}
	exists := resourceExists(p.topics, k.Name)
	if k.Kind == directory.KindSubscriptionACL {
		exists = resourceExists(p.subs, k.Name)
	}
	if !exists {
		return problem("there is no such " + string(k.Kind.ResourceKind()))
	}
	return s.checkACL(p, k, v.Users, before.aclOf(k))
}

// checkACL reports users of an ACL that do not exist, are not members of the project, or
// are named twice. Users that the ACL has named before may be no members.
func (s *Snapshot) checkACL(p *projectEntry, k directory.EntryKey, users, before []uuid.UUID) directory.Problems {
	var problems directory.Problems
	add := func(message string) {
		problems = append(problems, directory.Problem{Path: k.Path(), Message: message})
	}
	seen := make(map[uuid.UUID]bool, len(users))
	for _, id := range users {
		switch e := s.user(id); {
		case seen[id] && e != nil:
			add("user " + secret.Name(e.user.Name) + " is named twice")
		case e != nil && e.hasName && e.isMember(p.id), slices.Contains(before, id):
		case e != nil && e.hasName:
			add("user " + secret.Name(e.user.Name) + " is not a member of project " + secret.Name(p.project.Name))
		default:
			add("there is no user " + id.String())
		}
		seen[id] = true
	}
	return problems
}

// aclOf returns the users of an ACL, whether they are members or not.
func (s *Snapshot) aclOf(k directory.EntryKey) []uuid.UUID {
	p := s.project(k.Project)
	if p == nil {
		return nil
	}
	if k.Kind == directory.KindTopicACL {
		return aclIn(p.topics, k.Name)
	}
	return aclIn(p.subs, k.Name)
}

func aclIn[T any](list []*resource[T], name string) []uuid.UUID {
	if i, ok := find(list, name); ok {
		return list[i].acl
	}
	return nil
}

// checkLeftovers reports entries that a change would leave behind without what they
// depend on, and entries left behind by an earlier change that it would make visible
// again: a user who joins a project again must not regain its old ACL entries.
func (s *Snapshot) checkLeftovers(entries []directory.Entry, next *Snapshot) directory.Problems {
	if len(entries) >= directory.MaxChange {
		return nil
	}
	changed := make(map[directory.EntryKey]bool, len(entries))
	for i := range entries {
		changed[entries[i].Key] = true
	}
	var problems directory.Problems
	for i := range entries {
		k := entries[i].Key
		existed, rest, message := s.exists(k), next.dependents(k), "has to be removed with it"
		if entries[i].Value != nil {
			if _, unreadable := s.unreadable.revisions[k]; existed || unreadable {
				continue
			}
			rest, message = s.dependents(k), "is left over from an earlier one"
			rest = slices.DeleteFunc(rest, func(k directory.EntryKey) bool { return changed[k] })
		}
		if len(rest) > 0 {
			problems = append(problems, directory.Problem{Path: k.Path(), Message: rest[0].Path() + " " + message, Hint: "remove it"})
		}
	}
	return problems
}

// dependents returns the entries that only make sense while the entry with this key
// exists: the ACL of a topic, or the ACLs that name a member.
func (s *Snapshot) dependents(k directory.EntryKey) []directory.EntryKey {
	var change []directory.Entry
	switch k.Kind {
	case directory.KindUser:
		change = s.RemoveUser(k.User)
	case directory.KindProject:
		change = s.RemoveProject(k.Project)
	case directory.KindMember:
		if e := s.user(k.User); e != nil && e.exists {
			change = s.RemoveMember(k.Project, k.User)
		}
	case directory.KindTopic, directory.KindSubscription:
		acl := directory.ResourceKey(k.Kind.ACLKind(), k.Project, k.Name)
		if s.aclOf(acl) != nil {
			change = directory.Remove(acl)
		}
	case directory.KindKey, directory.KindTopicACL, directory.KindSubscriptionACL, directory.KindBan:
	}
	var keys []directory.EntryKey
	for i := range change {
		if change[i].Key != k {
			keys = append(keys, change[i].Key)
		}
	}
	return keys
}

// exists reports whether the entry with this key exists.
func (s *Snapshot) exists(k directory.EntryKey) bool {
	if k.Kind == directory.KindUser {
		e := s.user(k.User)
		return e != nil && e.exists
	}
	p := s.project(k.Project)
	switch {
	case p == nil:
		return false
	case k.Kind == directory.KindProject:
		return p.exists
	case k.Kind == directory.KindTopic:
		return resourceExists(p.topics, k.Name)
	case k.Kind == directory.KindSubscription:
		return resourceExists(p.subs, k.Name)
	case k.Kind == directory.KindMember:
		_, ok := slices.BinarySearchFunc(p.members, k.User, compareIDs)
		return ok
	default:
		return true
	}
}
