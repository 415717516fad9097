package snapshot

import "usher/directory"

func topicLength(t *directory.Topic) uint32 { return uint32(directory.JSONLength(t.Subject)) } //nolint:gosec // a subject is short

func subLength(s *directory.Subscription) uint32 { return uint32(directory.JSONLength(s.Name)) } //nolint:gosec // a name is short

// outsideLengths counts the visible topics whose subject is outside of the project.
func outsideLengths(p *projectEntry) directory.Lengths {
	var l directory.Lengths
	for i := range p.project.Topics {
		if subject := p.project.Topics[i].Subject; p.isOutside(subject) {
			l.Add(subject)
		}
	}
	return l
}
