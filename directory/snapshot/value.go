package snapshot

import (
	"slices"

	"usher/directory"
)

// Value returns what an entry says, as Entries yields it; nil: there is none, or it
// cannot be read, or waits.
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
	}
	return nil
}

func (e *userEntry) value(k directory.EntryKey) directory.Value {
	switch {
	case k.Kind == directory.KindKey:
		if at := slices.IndexFunc(e.user.Keys, func(x directory.Key) bool { return x.ID == k.Name }); at >= 0 {
			return &e.user.Keys[at]
		}
	case k.Kind == directory.KindMember:
		if at, ok := e.placeOf(k.Project); ok && e.places[at].roles != nil {
			return &directory.Member{Roles: *e.places[at].roles}
		}
	case e.there:
		return e.user
	}
	return nil
}

func (p *projectEntry) value(k directory.EntryKey) directory.Value {
	switch {
	case k.Kind == directory.KindProject && p.there:
		return &p.project
	case k.Kind == directory.KindTopic || k.Kind == directory.KindTopicACL:
		at, ok := find(p.topics, k.Name)
		switch {
		case ok && k.Kind == directory.KindTopicACL:
			return aclValue(p.topics[at])
		case ok && p.topics[at].there:
			stated := p.topics[at].view
			stated.Subject = p.topics[at].subject
			return &stated
		}
	case k.Kind == directory.KindSubscription || k.Kind == directory.KindSubscriptionACL:
		at, ok := find(p.subs, k.Name)
		switch {
		case ok && k.Kind == directory.KindSubscriptionACL:
			return aclValue(p.subs[at])
		case ok && p.subs[at].there:
			return &p.subs[at].view
		}
	}
	return nil
}

func aclValue[T any](r *resource[T]) directory.Value {
	if r.acl == nil {
		return nil
	}
	return &directory.ACL{Users: r.acl}
}
