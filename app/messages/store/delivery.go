package store

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"usher/api/messages"
)

// A message of a consumer has this reply subject (ADR-15), of which nats-server 2.10 to 2.15
// accept the first form in acknowledgements, whichever they send:
//
//	$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]
const ackPrefix = "$JS.ACK."

// parseDelivery reads the reply subject of a message of a consumer. It refuses that of another.
func parseDelivery(reply, stream, consumer string, at time.Time) (d messages.Delivery, ok bool) {
	rest, ok := strings.CutPrefix(reply, ackPrefix)
	if !ok {
		return d, false
	}
	if strings.Count(rest, ".") >= 8 {
		for range 2 { // domain and account
			if _, rest, ok = strings.Cut(rest, "."); !ok {
				return d, false
			}
		}
	}
	gotStream, rest, _ := strings.Cut(rest, ".")
	gotConsumer, rest, ok := strings.Cut(rest, ".")
	if !ok || gotStream != stream || gotConsumer != consumer {
		return d, false
	}
	var numbers [4]uint64
	for i := range numbers {
		var text string
		if text, rest, ok = strings.Cut(rest, "."); !ok {
			return d, false
		}
		if numbers[i], ok = decimal(text); !ok {
			return d, false
		}
	}
	return messages.Delivery{
		Count: numbers[0], Stream: numbers[1], Consumer: numbers[2],
		Timestamp: int64(numbers[3]), //nolint:gosec // at most 19 digits
		At:        at,
	}, true
}

// AckSubject is where a delivery is acknowledged. Its names are those of the directory, so that
// a delivery of another subscription acknowledges nothing there.
func AckSubject(ref messages.SubscriptionRef, d messages.Delivery) string {
	b := make([]byte, 0, 128)
	b = append(b, ackPrefix...)
	b = append(b, ref.Project.Name...)
	b = append(b, '.')
	b = append(b, ref.Subscription.Name...)
	for _, n := range [...]uint64{d.Count, d.Stream, d.Consumer, uint64(max(0, d.Timestamp)), 0} {
		b = append(b, '.')
		b = strconv.AppendUint(b, n, 10)
	}
	return string(b)
}

// received makes a message that was delivered of a NATS message.
func received(m *nats.Msg, d messages.Delivery) messages.Received {
	data := m.Data
	if len(m.Header) > 0 && m.Size() > 2*len(data)+1024 {
		data = bytes.Clone(data) // nats.go has it in one block with the headers as they came
	}
	return messages.Received{
		Message: messages.Message{
			ID: strconv.FormatUint(d.Stream, 10), Data: data, Attributes: attributesOf(m.Header),
			Published: time.Unix(0, d.Timestamp).UTC(),
		},
		Delivery: d,
	}
}

// memoryOf is how many bytes a NATS message takes with its headers in a map.
func memoryOf(m *nats.Msg) int {
	n := m.Size()
	for _, values := range m.Header {
		n += headerCost * len(values)
	}
	return n
}
