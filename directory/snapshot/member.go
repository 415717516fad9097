package snapshot

import (
	"iter"

	"github.com/google/uuid"

	"usher/directory"
)

// Members yields the members of a project with their user, in no particular order.
func (s *Snapshot) Members(project string) iter.Seq2[*directory.User, directory.Membership] {
	return func(yield func(*directory.User, directory.Membership) bool) {
		p := s.projectNamed(project)
		if p == nil {
			return
		}
		for _, id := range p.members {
			e := s.user(id)
			if e == nil || !e.hasName {
				continue
			}
			m, ok := membershipOf(p, e)
			if ok && !yield(e.user, m) {
				return
			}
		}
	}
}

// Member returns the membership of a user in a project.
func (s *Snapshot) Member(project, user string) (directory.Membership, bool) {
	p, e := s.projectNamed(project), s.userNamed(user)
	if p == nil || e == nil {
		return directory.Membership{}, false
	}
	return membershipOf(p, e)
}

func membershipOf(p *projectEntry, e *userEntry) (directory.Membership, bool) {
	i, ok := e.accessIn(p.id)
	if !ok || e.access[i].roles == nil {
		return directory.Membership{}, false
	}
	return p.membership(&e.access[i]), true
}

// Topic returns a topic of a project.
func (s *Snapshot) Topic(project, name string) (*directory.Topic, bool) {
	p := s.projectNamed(project)
	if p == nil {
		return nil, false
	}
	return viewOf(p.topics, name)
}

// Subscription returns a subscription of a project.
func (s *Snapshot) Subscription(project, name string) (*directory.Subscription, bool) {
	p := s.projectNamed(project)
	if p == nil {
		return nil, false
	}
	return viewOf(p.subs, name)
}

// ACL returns the names in the ACL of a topic (directory.KindTopicACL) or a subscription
// (directory.KindSubscriptionACL), in the order in which they were given, and the
// revision of the ACL; 0: it was never set.
func (s *Snapshot) ACL(kind directory.Kind, project, name string) (users []string, revision uint64, ok bool) {
	p := s.projectNamed(project)
	if p == nil {
		return nil, 0, false
	}
	var ids []uuid.UUID
	if kind == directory.KindTopicACL {
		ids, revision, ok = visibleACL(p.topics, name)
	} else {
		ids, revision, ok = visibleACL(p.subs, name)
	}
	return s.memberNames(p, ids), revision, ok
}

// memberNames returns the names of the users who are members, each once.
func (s *Snapshot) memberNames(p *projectEntry, ids []uuid.UUID) []string {
	var names []string
	seen := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		e := s.user(id)
		if seen[id] || e == nil || !e.hasName || !e.isMember(p.id) {
			continue
		}
		seen[id] = true
		names = append(names, e.user.Name)
	}
	return names
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

// IDs returns the ids of members of a project, and the names that no member has.
func (s *Snapshot) IDs(project string, names []string) (ids []uuid.UUID, unknown []string) {
	ids = make([]uuid.UUID, 0, len(names))
	for _, name := range names {
		if _, ok := s.Member(project, name); !ok {
			unknown = append(unknown, name)
			continue
		}
		ids = append(ids, s.userNamed(name).id)
	}
	return ids, unknown
}
