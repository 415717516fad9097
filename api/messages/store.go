package messages

import (
	"context"
	"errors"
	"time"

	"usher/api/messages/ackid"
	"usher/directory"
)

// Errors of a Store. Others mean that JetStream cannot be asked now.
var (
	// ErrNoStream: the project has no stream, or the stream does not have the topic.
	ErrNoStream = errors.New("no stream stores the topic")
	// ErrNoConsumer: the stream has no consumer of the subscription.
	ErrNoConsumer = errors.New("the stream has no consumer for the subscription")
	// ErrFull: the stream, or what the account may store, is full.
	ErrFull = errors.New("the stream is full")
	// ErrTooLarge: a message exceeds what the servers or the stream accept.
	ErrTooLarge = errors.New("the message is too large")
	// ErrAckTimeout: the message is no longer out for acknowledgement under this delivery.
	ErrAckTimeout = errors.New("ack timeout")
	// ErrBusy: too many pulls of the project, or of its account, are on their way.
	ErrBusy = errors.New("too many pulls are on their way")
	// ErrOffset: the offset is outside of the stream.
	ErrOffset = errors.New("the offset is out of range")
)

// TopicRef is a topic of a snapshot. Its Subject is set.
type TopicRef struct {
	Project *directory.Project
	Topic   *directory.Topic
}

// SubscriptionRef is a subscription of a snapshot with the topic that it reads.
type SubscriptionRef struct {
	Project      *directory.Project
	Topic        *directory.Topic
	Subscription *directory.Subscription
}

// Message is a message of a topic.
type Message struct {
	ID         string            // its sequence in the stream, decimal; empty: not stored yet
	Data       []byte            // any bytes
	Attributes map[string]string // any text; empty keys are refused before
	Published  time.Time         // when JetStream stored it
	// DedupeID is the Nats-Msg-Id of a message to be published; empty: none. JetStream stores
	// messages with the same one only once within the stream's duplicate window, and answers
	// the sequence of the first.
	DedupeID string
}

// attributeCost is what an attribute takes in memory besides its bytes, in the map of a message
// and in the header that it comes of or that is made of it. Measured: 175 bytes. A message
// without any takes less.
const attributeCost = 200

// size is how many bytes of a NATS message the message takes at least.
func (m *Message) size() int64 {
	n := len(m.Data)
	for name, value := range m.Attributes {
		n += len(name) + len(value)
	}
	return int64(n)
}

// MemorySize is how many bytes of memory the message takes.
func (m *Message) MemorySize() int64 {
	return m.size() + attributeCost*int64(1+len(m.Attributes))
}

// Received is a message that was delivered to a subscriber and waits for its acknowledgement.
type Received struct {
	Message
	Delivery Delivery
}

// Delivery identifies one delivery of a message of a subscription to JetStream.
type Delivery = ackid.Delivery

// Offsets are the positions of a subscription in its stream, as sequences.
type Offsets struct {
	Min     uint64 // of the first message of the stream
	Max     uint64 // one after the last
	Current uint64 // of the next message that the subscription has not acknowledged; Max: there is none
}

// TopicState is what a topic holds.
type TopicState struct {
	Messages  uint64
	Bytes     uint64    // an estimate, if the topic is not the only subject of its stream: its share by number of messages
	Published uint64    // messages that the topic has ever received; those that its stream has dropped are counted for each of its topics
	Oldest    time.Time // zero: no message
	Newest    time.Time // zero: no message
}

// SubscriptionState is how far a subscription has come.
type SubscriptionState struct {
	Offsets     Offsets
	Pending     uint64 // messages that were not delivered yet
	AckPending  int    // messages that are out for acknowledgement
	Redelivered int
	Waiting     int       // pull requests that wait
	Consumed    uint64    // deliveries up to the first that is not acknowledged
	Oldest      time.Time // of the oldest message that is not acknowledged; zero: none, or not known
	LastAck     time.Time // zero: never
}

// Store keeps the messages of projects. It is safe for concurrent use.
type Store interface {
	// Publish stores messages in order and returns their ids in the same order. It returns
	// once JetStream has acknowledged all of them. After an error some may be stored.
	Publish(ctx context.Context, topic TopicRef, messages []Message) (ids []string, err error)
	// Pull returns at most limit messages that take at most maxBytes of memory together, or one
	// that takes more. If there is none, it waits for the first for at most wait; 0: it does
	// not wait. No message is no error.
	Pull(ctx context.Context, sub SubscriptionRef, limit, maxBytes int, wait time.Duration) ([]Received, error)
	// Acknowledge acknowledges deliveries, and returns once JetStream has confirmed it.
	Acknowledge(ctx context.Context, sub SubscriptionRef, deliveries []Delivery) error
	// Return gives messages back, so that they are delivered again at once.
	Return(ctx context.Context, sub SubscriptionRef, deliveries []Delivery) error
	Offsets(ctx context.Context, sub SubscriptionRef) (Offsets, error)
	// Move lets a subscription go on with the message at offset. What is out for
	// acknowledgement is forgotten.
	Move(ctx context.Context, sub SubscriptionRef, offset uint64) error
	// OffsetAt returns the offset of the first message that was stored at or after t; that of
	// the end if there is none.
	OffsetAt(ctx context.Context, sub SubscriptionRef, t time.Time) (uint64, error)
	TopicState(ctx context.Context, topic TopicRef) (TopicState, error)
	SubscriptionState(ctx context.Context, sub SubscriptionRef) (SubscriptionState, error)
}

// Streams keeps the streams and consumers of projects in step with the directory
// (projects.streams: managed). Each call returns once JetStream has what it says, so that a
// client can publish or pull as soon as it has the answer to its change. revision is that of
// the directory with the change (Snapshot.Latest).
type Streams interface {
	// Keep makes the stream of a project, and the consumers of its subscriptions, be as the
	// directory says. It deletes nothing.
	Keep(ctx context.Context, project *directory.Project, revision uint64) error
	// WouldLose says how many messages nobody could read any more if a topic or a subscription,
	// or with both empty the project, were removed.
	WouldLose(ctx context.Context, project *directory.Project, topic, subscription string) (uint64, error)
	// Remove deletes what JetStream has of a topic or a subscription, or with both empty of the
	// project, with its messages. The directory does not have it any more; project is as it
	// was before.
	Remove(ctx context.Context, project *directory.Project, topic, subscription string, revision uint64) error
}
