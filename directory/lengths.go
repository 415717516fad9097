package directory

import "unicode/utf8"

// Lengths say how much text there is in some of the things of a project, without
// going through them: for whoever has to know how large something gets before it
// makes it.
type Lengths struct {
	Count int
	Bytes int // of all the texts together, as the inside of JSON strings
}

// Add counts one text more.
func (l *Lengths) Add(text string) {
	l.Count++
	l.Bytes += jsonLength(text)
}

// AddAll counts all that other has counted.
func (l *Lengths) AddAll(other Lengths) {
	l.Count += other.Count
	l.Bytes += other.Bytes
}

const (
	escaped     = len(`\u003c`)
	escapedMark = len(`\"`)
)

// jsonLength returns how long a text is between the quotes of a JSON string; it
// may say more than that where a text is not ASCII. Names and subjects are.
func jsonLength(text string) int {
	n := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			n += escapedMark
		case c < ' ' || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&' || c == 0x7f:
			n += escaped
		default:
			n++
		}
	}
	return n
}

func topicLength(t *Topic) uint32 { return uint32(jsonLength(t.Subject)) } //nolint:gosec // a subject is short

func subLength(s *Subscription) uint32 { return uint32(jsonLength(s.Name)) } //nolint:gosec // a name is short

// outsideOf counts the topics of a project whose subject is outside of it.
func outsideOf(p *projectEntry) Lengths {
	var l Lengths
	for i := range p.project.Topics {
		if subject := p.project.Topics[i].Subject; p.strays(subject) {
			l.Add(subject)
		}
	}
	return l
}

// membership returns what a place in p gives.
func (p *projectEntry) membership(in *place) Membership {
	return Membership{
		Project: &p.project, Roles: *in.roles, Topics: in.topics, Subs: in.subs, Revision: in.revision,
		TopicBytes: int(in.lengths.topics), SubBytes: int(in.lengths.subs), Outside: p.outside,
	}
}
