package snapshot

import (
	"slices"

	"usher/directory"
)

// Revision returns the revision of an entry; 0: there is none.
func (s *Snapshot) Revision(k directory.EntryKey) uint64 {
	switch k.Kind {
	case directory.KindUser, directory.KindKey, directory.KindMember:
		return s.user(k.User).revision(k)
	case directory.KindProject, directory.KindTopic, directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL:
		return s.project(k.Project).revision(k)
	default:
		return 0
	}
}

// Latest returns the highest revision of all that was ever applied, removals
// included: that of the directory itself. 0: nothing had a revision.
func (s *Snapshot) Latest() uint64 { return s.latest }

func (e *userEntry) revision(k directory.EntryKey) uint64 {
	switch {
	case e == nil || e.user == nil:
		return 0
	case k.Kind == directory.KindKey:
		if at := slices.IndexFunc(e.user.Keys, func(x directory.Key) bool { return x.ID == k.Name }); at >= 0 {
			return e.user.Keys[at].Revision
		}
	case k.Kind == directory.KindMember:
		if at, ok := e.placeOf(k.Project); ok {
			return e.places[at].revision
		}
	default:
		return e.user.Revision
	}
	return 0
}

func (p *projectEntry) revision(k directory.EntryKey) uint64 {
	if p == nil {
		return 0
	}
	if k.Kind == directory.KindProject {
		return p.project.Revision
	}
	if k.Kind == directory.KindTopic || k.Kind == directory.KindTopicACL {
		if at, ok := find(p.topics, k.Name); ok {
			return either(k.Kind == directory.KindTopic, p.topics[at].view.Revision, p.topics[at].revision)
		}
		return 0
	}
	if at, ok := find(p.subs, k.Name); ok {
		return either(k.Kind == directory.KindSubscription, p.subs[at].view.Revision, p.subs[at].revision)
	}
	return 0
}

func either(own bool, thing, acl uint64) uint64 {
	if own {
		return thing
	}
	return acl
}
