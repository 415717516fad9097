package jssource

import (
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"usher/app/messages/store"
)

// Headers of a dead letter.
const (
	deadSubscription = "Usher-Dead-Letter-Subscription"
	deadSequence     = "Usher-Dead-Letter-Message-Id"
	deadDeliveries   = "Usher-Dead-Letter-Deliveries"
)

// deadLetter is a message as a dead letter, after so many deliveries, with its attributes.
func (s *Source) deadLetter(h *held, deliveries uint64) (*nats.Msg, error) {
	header, err := store.HeaderOf(h.message.Attributes)
	if err != nil {
		return nil, fmt.Errorf("make a dead letter: %w", err)
	}
	if header == nil {
		header = nats.Header{}
	}
	header.Set(deadSubscription, s.consumer())
	header.Set(deadSequence, strconv.FormatUint(h.sequence, 10))
	header.Set(deadDeliveries, strconv.FormatUint(deliveries, 10))
	return &nats.Msg{Subject: s.cfg.DeadLetter, Data: h.message.Data, Header: header}, nil
}
