package snapshot

import "usher/directory"

func topicLength(t *directory.Topic) uint32 { return uint32(directory.JSONLength(t.Subject)) } //nolint:gosec // a subject is short

func subLength(s *directory.Subscription) uint32 { return uint32(directory.JSONLength(s.Name)) } //nolint:gosec // a name is short

// outsideOf counts the topics of a project whose subject is outside of it.
func outsideOf(p *projectEntry) directory.Lengths {
	var l directory.Lengths
	for i := range p.project.Topics {
		if subject := p.project.Topics[i].Subject; p.strays(subject) {
			l.Add(subject)
		}
	}
	return l
}

// membership returns what a place in p gives.
func (p *projectEntry) membership(in *place) directory.Membership {
	return directory.Membership{
		Project: &p.project, Roles: *in.roles, Topics: in.topics, Subs: in.subs, Revision: in.revision,
		TopicBytes: int(in.lengths.topics), SubBytes: int(in.lengths.subs), Outside: p.outside,
	}
}
