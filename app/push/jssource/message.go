package jssource

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// Headers of messages. The first has the attributes that are no headers (package
// app/messages/store); the others are those of a dead letter.
const (
	attributesHeader  = "Usher-Attributes"
	deadSubscription  = "Usher-Dead-Letter-Subscription"
	deadSequence      = "Usher-Dead-Letter-Message-Id"
	deadDeliveries    = "Usher-Dead-Letter-Deliveries"
	jetStreamsHeaders = "Nats-"
)

// attributesOf returns the attributes of a message with these headers, as package
// app/messages/store does.
func attributesOf(header nats.Header) map[string]string {
	attributes := make(map[string]string, len(header))
	for name, values := range header {
		if len(values) > 0 && !strings.HasPrefix(name, jetStreamsHeaders) && name != attributesHeader {
			attributes[name] = values[0]
		}
	}
	if text := header[attributesHeader]; len(text) > 0 {
		var others map[string]string
		if json.Unmarshal([]byte(text[0]), &others) != nil || others == nil {
			attributes[attributesHeader] = text[0] // somebody else's
		}
		for name, value := range others {
			attributes[name] = value
		}
	}
	return attributes
}

// deadLetter returns what is stored of a message that is given up. Headers of JetStream would
// act on the dead letter.
func deadLetter(cfg *Config, h *held) *nats.Msg {
	m := &nats.Msg{Subject: cfg.DeadLetter, Data: h.msg.Data(), Header: nats.Header{}}
	for name, values := range h.msg.Headers() {
		if !strings.HasPrefix(strings.ToLower(name), strings.ToLower(jetStreamsHeaders)) {
			m.Header[name] = values
		}
	}
	m.Header.Set(deadSubscription, cfg.Consumer)
	m.Header.Set(deadSequence, strconv.FormatUint(h.sequence, 10))
	m.Header.Set(deadDeliveries, strconv.FormatUint(h.message.Deliveries, 10))
	return m
}
