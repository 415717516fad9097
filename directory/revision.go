package directory

import "slices"

// Revision returns the revision of an entry; 0: there is none.
func (s *Snapshot) Revision(k EntryKey) uint64 {
	switch k.Kind {
	case KindUser, KindKey, KindMember:
		return s.user(k.User).revision(k)
	case KindProject, KindTopic, KindSubscription, KindTopicACL, KindSubscriptionACL:
		return s.project(k.Project).revision(k)
	default:
		return 0
	}
}

// Latest returns the highest revision of all that was ever applied, removals
// included: that of the directory itself. 0: nothing had a revision.
func (s *Snapshot) Latest() uint64 { return s.latest }

func (e *userEntry) revision(k EntryKey) uint64 {
	switch {
	case e == nil || e.user == nil:
		return 0
	case k.Kind == KindKey:
		if at := slices.IndexFunc(e.user.Keys, func(x Key) bool { return x.ID == k.Name }); at >= 0 {
			return e.user.Keys[at].Revision
		}
	case k.Kind == KindMember:
		if at, ok := e.placeOf(k.Project); ok {
			return e.places[at].revision
		}
	default:
		return e.user.Revision
	}
	return 0
}

func (p *projectEntry) revision(k EntryKey) uint64 {
	if p == nil {
		return 0
	}
	if k.Kind == KindProject {
		return p.project.Revision
	}
	if k.Kind == KindTopic || k.Kind == KindTopicACL {
		if at, ok := find(p.topics, k.Name); ok {
			return either(k.Kind == KindTopic, p.topics[at].view.Revision, p.topics[at].revision)
		}
		return 0
	}
	if at, ok := find(p.subs, k.Name); ok {
		return either(k.Kind == KindSubscription, p.subs[at].view.Revision, p.subs[at].revision)
	}
	return 0
}

func either(own bool, thing, acl uint64) uint64 {
	if own {
		return thing
	}
	return acl
}
