package directory

import "unicode/utf8"

// Lengths counts texts and their total length. It is kept up to date with the texts,
// so that the size of a user JWT can be computed without going through them.
type Lengths struct {
	Count int
	Bytes int // total length, as the inside of JSON strings
}

// Add counts one more text.
func (l *Lengths) Add(text string) {
	l.Count++
	l.Bytes += JSONLength(text)
}

// AddAll adds the counts of other.
func (l *Lengths) AddAll(other Lengths) {
	l.Count += other.Count
	l.Bytes += other.Bytes
}

const (
	unicodeEscape = len(`\u003c`)
	quoteEscape   = len(`\"`)
)

// JSONLength returns the length of text between the quotes of a JSON string. It is an
// upper bound if text is not ASCII; names and subjects are.
func JSONLength(text string) int {
	n := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			n += quoteEscape
		case c < ' ' || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&' || c == 0x7f:
			n += unicodeEscape
		default:
			n++
		}
	}
	return n
}

// Length returns JSONLength of what a grant has of a topic: its subject.
func (t *Topic) Length() uint32 { return uint32(JSONLength(t.Subject)) } //nolint:gosec // a subject is short

// Length returns JSONLength of what a grant has of a subscription: its name.
func (s *Subscription) Length() uint32 { return uint32(JSONLength(s.Name)) } //nolint:gosec // a name is short
