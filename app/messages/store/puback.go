package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// readAck returns the sequence in JetStream's answer to a message. The sequence of a duplicate
// is that of the first.
func readAck(m *nats.Msg, stream string) (uint64, error) {
	if sequence, ok := readPlainAck(m.Data, stream); ok {
		return sequence, nil
	}
	if isNoResponders(m) {
		return 0, errNoLeader // others of the batch had an answer
	}
	var answer struct {
		Stream   string              `json:"stream"`
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		// Somebody who subscribes to the subject has answered, and JetStream has not.
		return 0, fmt.Errorf("%w: %w", errUnreadable, err)
	case answer.Error != nil:
		return 0, publishError(answer.Error)
	case answer.Stream != stream:
		return 0, fmt.Errorf("%w: the subject is in the stream %s", messages.ErrNoStream, answer.Stream)
	case answer.Sequence == 0:
		return 0, errUnreadable
	default:
		return answer.Sequence, nil
	}
}

// isAnswerOf reports whether a message can be JetStream's answer to one that was published into
// a stream. Another project of the account can have the answers to its own messages sent to any
// subject: these name its own stream.
func isAnswerOf(m *nats.Msg, stream string) bool {
	if _, ok := readPlainAck(m.Data, stream); ok || len(m.Data) == 0 {
		return true
	}
	var answer struct {
		Stream string `json:"stream"`
	}
	return json.Unmarshal(m.Data, &answer) != nil || answer.Stream == "" || answer.Stream == stream
}

// readPlainAck reads {"stream":"S","seq":N}, which is the usual answer, as fast as it comes.
func readPlainAck(text []byte, stream string) (uint64, bool) {
	rest, ok := bytes.CutPrefix(text, []byte(`{"stream":"`))
	if !ok || len(rest) < len(stream) || string(rest[:len(stream)]) != stream {
		return 0, false
	}
	rest, ok = bytes.CutPrefix(rest[len(stream):], []byte(`","seq":`))
	if !ok {
		rest, ok = bytes.CutPrefix(rest, []byte(`", "seq":`)) // nats-server up to 2.14
	}
	digits, end := bytes.CutSuffix(rest, []byte(`}`))
	if !ok || !end {
		return 0, false
	}
	sequence, ok := decimal(string(digits))
	return sequence, ok && sequence > 0
}

// decimal reads a number in decimal, as JetStream writes it.
func decimal(digits string) (n uint64, ok bool) {
	if digits == "" || len(digits) > 19 { // up to 10^19 - 1, which fits
		return 0, false
	}
	for i := range len(digits) {
		c := digits[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, true
}
