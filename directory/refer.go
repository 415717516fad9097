package directory

import (
	"slices"

	"github.com/google/uuid"

	"usher/internal/secret"
)

// valid reports what is wrong with an entry by itself that check does not see.
func (e *Entry) valid() error {
	if e.Key.Kind.named() {
		if err := CheckName(e.Key.Name); err != nil {
			return about(string(e.Key.Kind)+" name", err)
		}
	}
	if _, err := ParseEntryKey(e.Key.String()); err != nil {
		return err
	}
	return e.Check()
}

// refers reports where an entry leads to nothing. Before is what was.
func (s *Snapshot) refers(e *Entry, before *Snapshot) Problems {
	k := e.Key
	one := func(message string) Problems { return Problems{{Path: k.path(), Message: message}} }
	if e.Value == nil || k.Kind == KindUser || k.Kind == KindProject {
		return nil
	}
	if k.Kind == KindKey || k.Kind == KindMember {
		if u := s.user(k.User); u == nil || !u.there {
			return one("there is no such user")
		}
	}
	if k.Kind == KindKey {
		return nil
	}
	p := s.project(k.Project)
	if p == nil || !p.named {
		return one("there is no such project")
	}
	v, ok := e.Value.(*ACL)
	if !ok {
		return nil
	}
	known, old := hasACL(p.topics, k.Name), before.aclOf(k)
	if k.Kind == KindSubscriptionACL {
		known = hasACL(p.subs, k.Name)
	}
	if !known {
		return one("there is no such " + string(k.Kind.resource()))
	}
	var problems Problems
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
func (s *Snapshot) aclOf(k EntryKey) []uuid.UUID {
	p := s.project(k.Project)
	if p == nil {
		return nil
	}
	if k.Kind == KindTopicACL {
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
func (s *Snapshot) leftOver(entries []Entry, next *Snapshot) Problems {
	if len(entries) >= MaxChange {
		return nil
	}
	changed := make(map[EntryKey]bool, len(entries))
	for i := range entries {
		changed[entries[i].Key] = true
	}
	var problems Problems
	for i := range entries {
		k := entries[i].Key
		was, rest, message := s.exists(k), next.belongings(k), "has to be removed with it"
		if entries[i].Value != nil {
			if _, unread := s.unread.revisions[k]; was || unread {
				continue
			}
			rest, message = s.belongings(k), "is left over from an earlier one"
			rest = slices.DeleteFunc(rest, func(k EntryKey) bool { return changed[k] })
		}
		if len(rest) > 0 {
			problems = append(problems, Problem{Path: k.path(), Message: rest[0].path() + " " + message, Hint: "remove it"})
		}
	}
	return problems
}

// belongings returns what there is only because there is an entry with this key:
// of a topic its ACL, of a member its places in ACLs.
func (s *Snapshot) belongings(k EntryKey) []EntryKey {
	var change []Entry
	switch k.Kind {
	case KindUser:
		change = s.RemoveUser(k.User)
	case KindProject:
		change = s.RemoveProject(k.Project)
	case KindMember:
		if e := s.user(k.User); e != nil && e.there {
			change = s.leave(k.Project, k.User)
		}
	case KindTopic, KindSubscription:
		acl := ResourceKey(k.Kind.acl(), k.Project, k.Name)
		if s.aclOf(acl) != nil {
			change = Remove(acl)
		}
	case KindKey, KindTopicACL, KindSubscriptionACL:
	}
	var keys []EntryKey
	for i := range change {
		if change[i].Key != k {
			keys = append(keys, change[i].Key)
		}
	}
	return keys
}

// exists reports whether there is such an entry.
func (s *Snapshot) exists(k EntryKey) bool {
	if k.Kind == KindUser {
		e := s.user(k.User)
		return e != nil && e.there
	}
	p := s.project(k.Project)
	switch {
	case p == nil:
		return false
	case k.Kind == KindProject:
		return p.there
	case k.Kind == KindTopic:
		return hasACL(p.topics, k.Name)
	case k.Kind == KindSubscription:
		return hasACL(p.subs, k.Name)
	case k.Kind == KindMember:
		_, ok := slices.BinarySearchFunc(p.members, k.User, compareIDs)
		return ok
	default:
		return true
	}
}
