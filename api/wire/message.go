package wire

import "time"

// Message is a message of a topic.
type Message struct {
	MessageID   string            `json:"messageId,omitempty"`  // set by the service
	Attributes  map[string]string `json:"attributes,omitempty"` // a NATS client has them as headers
	Data        string            `json:"data"`                 // base64
	PublishTime time.Time         `json:"publishTime,omitzero"` // set by the service
}

// Publish is messages to be published.
type Publish struct {
	Messages []Message `json:"messages"`
}

// MessageIDs are the ids of published messages, in the order of the request.
type MessageIDs struct {
	MessageIDs []string `json:"messageIds"`
}

// Pull says which messages a subscriber wants. A number and true or false without quotes are
// as good.
type Pull struct {
	MaxMessages       string `json:"maxMessages,omitempty"`       // a number; default: "1"
	ReturnImmediately string `json:"returnImmediately,omitempty"` // "true" (default) or "false": waits for a message
}

// ReceivedMessages are messages of a subscription.
type ReceivedMessages struct {
	ReceivedMessages []ReceivedMessage `json:"receivedMessages"`
}

// ReceivedMessage is a message that waits for its acknowledgement.
type ReceivedMessage struct {
	AckID   string  `json:"ackId"` // good until ackDeadlineSeconds after the pull
	Message Message `json:"message"`
}

// Acknowledge acknowledges messages: all of them, or none.
type Acknowledge struct {
	AckIDs []string `json:"ackIds"`
}

// AckDeadline changes the ack deadline of a subscription.
type AckDeadline struct {
	AckDeadlineSeconds *int `json:"ackDeadlineSeconds"` // 0: DefaultAckDeadline
}

// Offsets are the positions of a subscription in the stream of the project.
type Offsets struct {
	Max     int `json:"max"`     // one after the last message
	Min     int `json:"min"`     // of the first message
	Current int `json:"current"` // of the next message that is not acknowledged; max if there is none
}

// OffsetInput moves a subscription.
type OffsetInput struct {
	Offset *int `json:"offset"` // of the next message
}

// Offset is a position in the stream of the project.
type Offset struct {
	Offset int `json:"offset"`
}

// MetricList are metrics of a project, a topic or a subscription.
type MetricList struct {
	Metrics []Metric `json:"metrics"`
}

// Metric is one metric.
type Metric struct {
	Metric       string      `json:"metric"` // its name
	MetricType   string      `json:"metric_type"`
	ValueType    string      `json:"value_type"` // "int64"; "datetime": RFC 3339
	ResourceType string      `json:"resource_type"`
	ResourceName string      `json:"resource_name"`
	Timeseries   []Timepoint `json:"timeseries"`
	Description  string      `json:"description"`
}

// Timepoint is the value of a metric at a time.
type Timepoint struct {
	Timestamp time.Time `json:"timestamp"`
	Value     any       `json:"value"`
}
