package messages

import (
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"usher/api/messages/ackid"
)

const typeJSON = "application/json; charset=utf-8"

var (
	errMax    = errors.New("maxMessages: expected a number")
	errFlag   = errors.New("returnImmediately: expected true or false")
	errOffset = errors.New("offset: expected a number that is not negative")
)

// flushSize is how much of an answer is in memory besides the messages. Each write is at least
// two system calls.
const flushSize = 64 << 10

// writeReceived writes {"receivedMessages":[…]}. It writes message by message, so that the
// answer is not in memory a second time as a whole.
func (h *Handlers) writeReceived(w io.Writer, received []Received, maker *ackid.Maker) error {
	buffer := h.buffers.Get().(*[]byte)
	b := append((*buffer)[:0], `{"receivedMessages":[`...)
	defer func() {
		if cap(b) <= 2*flushSize { // one that a large message has made longer is not kept
			*buffer = b
			h.buffers.Put(buffer)
		}
	}()
	for i := range received {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"ackId":"`...)
		b = append(b, maker.Make(received[i].Delivery)...)
		b = append(b, `","message":`...)
		b = appendMessage(b, &received[i].Message)
		b = append(b, '}')
		if len(b) >= flushSize*3/4 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	b = append(b, "]}\n"...)
	_, err := w.Write(b)
	return err
}

// appendMessage appends a message as JSON.
func appendMessage(b []byte, m *Message) []byte {
	b = append(append(b, `{"messageId":"`...), m.ID...)
	b = append(b, '"')
	if len(m.Attributes) > 0 {
		b = append(b, `,"attributes":{`...)
		for i, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, name)
			b = append(b, ':')
			b = appendText(b, m.Attributes[name])
		}
		b = append(b, '}')
	}
	b = append(b, `,"data":"`...)
	b = base64.StdEncoding.AppendEncode(b, m.Data)
	b = append(b, `","publishTime":"`...)
	b = m.Published.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}

// appendText appends a string as JSON. A header of a NATS client may be no UTF-8.
func appendText(b []byte, text string) []byte {
	quoted, err := jsontext.AppendQuote(b, strings.ToValidUTF8(text, "\uFFFD"))
	if err != nil {
		return append(b, `""`...)
	}
	return quoted
}
