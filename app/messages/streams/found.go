package streams

import (
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
)

// Metadata of the streams and consumers that usher keeps.
const (
	metaProject  = "usher_project"  // UUID of the project
	metaRevision = "usher_revision" // of the directory at the last change, on streams only
)

// Found is what JetStream has of a project.
type Found struct {
	Stream    *Stream             // with the name of the project; nil: there is none
	Consumers map[string]Consumer // of the stream, by name
	// Others are further streams of the account, as far as they are known. usher check knows
	// them.
	Others []Stream
}

// Stream is a stream, with what matters here.
type Stream struct {
	Name     string
	Subjects []string
	Metadata map[string]string
	Messages uint64

	Mirror, Sealed, NoAck bool
}

// Consumer is a consumer, with what matters here.
type Consumer struct {
	Durable   bool
	Push      bool
	AckPolicy string // as JetStream spells it, such as "explicit"
	Filters   []string
	AckWait   time.Duration
	BackOff   bool // the operator has set times between deliveries, which replace AckWait
	Metadata  map[string]string
	// Unread counts the messages that would be lost with the consumer: not delivered yet, or
	// not acknowledged.
	Unread uint64
}

const ackExplicit = "explicit"

// streamOf returns what matters of a stream.
func streamOf(info *jetstream.StreamInfo) *Stream {
	c := &info.Config
	return &Stream{
		Name: c.Name, Subjects: c.Subjects, Metadata: c.Metadata, Messages: info.State.Msgs,
		Mirror: c.Mirror != nil, Sealed: c.Sealed, NoAck: c.NoAck,
	}
}

// consumerOf returns what matters of a consumer.
func consumerOf(info *jetstream.ConsumerInfo) Consumer {
	c := &info.Config
	filters := c.FilterSubjects
	if c.FilterSubject != "" {
		filters = []string{c.FilterSubject}
	}
	return Consumer{
		Durable: c.Durable != "", Push: c.DeliverSubject != "", AckPolicy: ackPolicy(c.AckPolicy), Filters: filters,
		AckWait: c.AckWait, BackOff: len(c.BackOff) > 0, Metadata: c.Metadata,
		Unread: info.NumPending + uint64(max(0, info.NumAckPending)),
	}
}

// ackPolicy returns an ack policy as JetStream spells it.
func ackPolicy(p jetstream.AckPolicy) string {
	text, err := p.MarshalJSON()
	if err != nil {
		return p.String()
	}
	return strings.Trim(string(text), `"`)
}

// withMetadata returns metadata with some values set.
func withMetadata(old map[string]string, set map[string]string) map[string]string {
	next := maps.Clone(old)
	if next == nil {
		next = map[string]string{}
	}
	maps.Copy(next, set)
	return next
}

// Owned returns the metadata of what usher keeps for a project.
func Owned(p *directory.Project) map[string]string {
	return map[string]string{metaProject: p.ID.String()}
}
