package snapshot

import (
	"slices"

	"usher/directory"
)

// Revision returns the revision of an entry; 0: there is no such entry.
func (s *Snapshot) Revision(k directory.EntryKey) uint64 {
	switch k.Kind {
	case directory.KindUser, directory.KindKey, directory.KindMember:
		if e := s.user(k.User); e != nil {
			return e.revision(k)
		}
	case directory.KindProject, directory.KindTopic, directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL:
		if p := s.project(k.Project); p != nil {
			return p.revision(k)
		}
	case directory.KindBan:
		if b, ok := s.bans.Find(k.Name); ok {
			return b.Revision
		}
	}
	return 0
}

// Latest returns the highest revision that was ever applied, including removals: the
// revision of the directory itself. 0: no entry had a revision.
func (s *Snapshot) Latest() uint64 { return s.latest }

func (e *userEntry) revision(k directory.EntryKey) uint64 {
	if k.Kind == directory.KindKey {
		if i := slices.IndexFunc(e.user.Keys, func(x directory.Key) bool { return x.ID == k.Name }); i >= 0 {
			return e.user.Keys[i].Revision
		}
		return 0
	}
	if k.Kind == directory.KindMember {
		if i, ok := e.accessIn(k.Project); ok {
			return e.access[i].revision
		}
		return 0
	}
	return e.user.Revision
}

func (p *projectEntry) revision(k directory.EntryKey) uint64 {
	switch k.Kind {
	case directory.KindProject:
		return p.project.Revision
	case directory.KindTopic, directory.KindTopicACL:
		if i, ok := find(p.topics, k.Name); ok {
			return revisionOf(k.Kind == directory.KindTopic, p.topics[i].view.Revision, p.topics[i].aclRevision)
		}
	case directory.KindSubscription, directory.KindSubscriptionACL:
		if i, ok := find(p.subs, k.Name); ok {
			return revisionOf(k.Kind == directory.KindSubscription, p.subs[i].view.Revision, p.subs[i].aclRevision)
		}
	case directory.KindUser, directory.KindKey, directory.KindMember, directory.KindBan:
	}
	return 0
}

func revisionOf(isResource bool, resource, acl uint64) uint64 {
	if isResource {
		return resource
	}
	return acl
}
