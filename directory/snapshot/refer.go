package snapshot

import (
	"slices"
	"usher/directory"

	"github.com/google/uuid"

	"usher/internal/secret"
)

// refers reports where an entry leads to nothing. Before is what was.
func (s *Snapshot) refers(e *directory.Entry, before *Snapshot) directory.Problems {
	k := e.Key
	one := func(message string) directory.Problems { return directory.Problems{{Path: k.Path(), Message: message}} }
	if e.Value == nil || k.Kind == directory.KindUser || k.Kind == directory.KindProject {
		return nil
	}
	if k.Kind == directory.KindKey || k.Kind == directory.KindMember {
		if u := s.user(k.User); u == nil || !u.there {
			return one("there is no such user")
		}
	}
	if k.Kind == directory.KindKey {
		return nil
	}
	p := s.project(k.Project)
	if p == nil || !p.named {
		return one("there is no such project")
	}
	v, ok := e.Value.(*directory.ACL)
	if !ok {
		return nil
	}
	known, old := hasACL(p.topics, k.Name), before.aclOf(k)
	if k.Kind == directory.KindSubscriptionACL {
		known = hasACL(p.subs, k.Name)
	}
	if !known {
		return one("there is no such " + string(k.Kind.ResourceKind()))
	}
	var problems directory.Problems
	seen := make(map[uuid.UUID]bool, len(v.Users))
	for _, id := range v.Users {
		switch e := s.user(id); {
		case seen[id] && e != nil:
			problems = append(problems, one("user "+secret.Name(e.user.Name)+" is named twice")...)
		case e != nil && e.named && e.isMember(p.id), slices.Contains(old, id):
		case e != nil && e.named:
			problems = append(problems, one("user "+secret.Name(e.user.Name)+" is not a member of project "+secret.Name(p.project.Name))...)
		default:
			problems = append(problems, one("there is no user "+id.String())...)
		}
		seen[id] = true
	}
	return problems
}

func hasACL[T any](list []*resource[T], name string) bool {
	at, ok := find(list, name)
	return ok && list[at].there
}

// aclOf returns who stands in an ACL, member or not.
func (s *Snapshot) aclOf(k directory.EntryKey) []uuid.UUID {
	p := s.project(k.Project)
	if p == nil {
		return nil
	}
	if k.Kind == directory.KindTopicACL {
		if at, ok := find(p.topics, k.Name); ok {
			return p.topics[at].acl
		}
		return nil
	}
	if at, ok := find(p.subs, k.Name); ok {
		return p.subs[at].acl
	}
	return nil
}

// leftOver reports what a change leaves behind that nothing refers to any more,
// and what it would bring to life that an earlier change has left behind: who
// joins a project again must not find its old ACL entries.
func (s *Snapshot) leftOver(entries []directory.Entry, next *Snapshot) directory.Problems {
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
		was, rest, message := s.exists(k), next.belongings(k), "has to be removed with it"
		if entries[i].Value != nil {
			if _, unread := s.unread.revisions[k]; was || unread {
				continue
			}
			rest, message = s.belongings(k), "is left over from an earlier one"
			rest = slices.DeleteFunc(rest, func(k directory.EntryKey) bool { return changed[k] })
		}
		if len(rest) > 0 {
			problems = append(problems, directory.Problem{Path: k.Path(), Message: rest[0].Path() + " " + message, Hint: "remove it"})
		}
	}
	return problems
}

// belongings returns what there is only because there is an entry with this key:
// of a topic its ACL, of a member its places in ACLs.
func (s *Snapshot) belongings(k directory.EntryKey) []directory.EntryKey {
	var change []directory.Entry
	switch k.Kind {
	case directory.KindUser:
		change = s.RemoveUser(k.User)
	case directory.KindProject:
		change = s.RemoveProject(k.Project)
	case directory.KindMember:
		if e := s.user(k.User); e != nil && e.there {
			change = s.leave(k.Project, k.User)
		}
	case directory.KindTopic, directory.KindSubscription:
		acl := directory.ResourceKey(k.Kind.ACLKind(), k.Project, k.Name)
		if s.aclOf(acl) != nil {
			change = directory.Remove(acl)
		}
	case directory.KindKey, directory.KindTopicACL, directory.KindSubscriptionACL:
	}
	var keys []directory.EntryKey
	for i := range change {
		if change[i].Key != k {
			keys = append(keys, change[i].Key)
		}
	}
	return keys
}

// exists reports whether there is such an entry.
func (s *Snapshot) exists(k directory.EntryKey) bool {
	if k.Kind == directory.KindUser {
		e := s.user(k.User)
		return e != nil && e.there
	}
	p := s.project(k.Project)
	switch {
	case p == nil:
		return false
	case k.Kind == directory.KindProject:
		return p.there
	case k.Kind == directory.KindTopic:
		return hasACL(p.topics, k.Name)
	case k.Kind == directory.KindSubscription:
		return hasACL(p.subs, k.Name)
	case k.Kind == directory.KindMember:
		_, ok := slices.BinarySearchFunc(p.members, k.User, compareIDs)
		return ok
	default:
		return true
	}
}
