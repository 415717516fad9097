package directory

import "slices"

// Value returns what an entry says, as Entries yields it; nil: there is none, or it
// cannot be read, or waits.
func (s *Snapshot) Value(k EntryKey) Value {
	switch k.Kind {
	case KindUser, KindKey, KindMember:
		if e := s.user(k.User); e != nil {
			return e.value(k)
		}
	case KindProject, KindTopic, KindSubscription, KindTopicACL, KindSubscriptionACL:
		if p := s.project(k.Project); p != nil {
			return p.value(k)
		}
	}
	return nil
}

func (e *userEntry) value(k EntryKey) Value {
	switch {
	case k.Kind == KindKey:
		if at := slices.IndexFunc(e.user.Keys, func(x Key) bool { return x.ID == k.Name }); at >= 0 {
			return &e.user.Keys[at]
		}
	case k.Kind == KindMember:
		if at, ok := e.placeOf(k.Project); ok && e.places[at].roles != nil {
			return &Member{Roles: *e.places[at].roles}
		}
	case e.there:
		return e.user
	}
	return nil
}

func (p *projectEntry) value(k EntryKey) Value {
	switch {
	case k.Kind == KindProject && p.there:
		return &p.project
	case k.Kind == KindTopic || k.Kind == KindTopicACL:
		at, ok := find(p.topics, k.Name)
		switch {
		case ok && k.Kind == KindTopicACL:
			return aclValue(p.topics[at])
		case ok && p.topics[at].there:
			stated := p.topics[at].view
			stated.Subject = p.topics[at].subject
			return &stated
		}
	case k.Kind == KindSubscription || k.Kind == KindSubscriptionACL:
		at, ok := find(p.subs, k.Name)
		switch {
		case ok && k.Kind == KindSubscriptionACL:
			return aclValue(p.subs[at])
		case ok && p.subs[at].there:
			return &p.subs[at].view
		}
	}
	return nil
}

func aclValue[T any](r *resource[T]) Value {
	if r.acl == nil {
		return nil
	}
	return &ACL{Users: r.acl}
}
