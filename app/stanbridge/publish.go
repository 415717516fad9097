package stanbridge

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"usher/app/stanbridge/stanpb"
)

// onPublish sends a message to JetStream, or refuses it. It is called for one message after
// the other and waits for nothing, so messages reach JetStream in the order in which they
// arrived here.
func (b *Bridge) onPublish(m *nats.Msg) {
	b.counts.received.Add(1)
	var pub stanpb.PubMsg
	if err := proto.Unmarshal(m.Data, &pub); err != nil {
		b.refusePublish(m, "", ReasonMalformed, errInvalidPublish)
		return
	}
	out, sender, refused := b.convert(m.Subject, &pub)
	if refused.err != nil {
		b.refusePublish(m, pub.GetGuid(), refused.reason, refused.err)
		return
	}
	b.clients.seen(sender, b.cfg.Now())
	w := &waiting{sender: sender, guid: pub.GetGuid(), reply: m.Reply, bytes: out.Size(), since: b.cfg.Now()}
	if reason := b.pending.add(out, w); reason != "" {
		b.counts.refuse(reason) // silence: the client tries again
		return
	}
	if _, err := b.js.PublishMsgAsync(out, jetstream.WithRetryAttempts(0)); err != nil {
		b.notStored(out, err)
	}
}

// channelOf returns the channel to which a message was sent.
func (b *Bridge) channelOf(subject string) string {
	return strings.TrimPrefix(subject, prefixPub+b.cfg.Cluster+".")
}

func (b *Bridge) refusePublish(m *nats.Msg, guid string, reason Reason, err error) {
	b.counts.refuse(reason)
	b.send(m.Reply, &stanpb.PubAck{Guid: guid, Error: err.Error()})
}

// stored acknowledges a message that JetStream has acknowledged.
func (b *Bridge) stored(m *nats.Msg) {
	w := b.pending.remove(m)
	if w == nil {
		return // its wait has ended
	}
	defer b.pending.answered()
	b.counts.acked.Add(1)
	b.cfg.Observe(b.cfg.Now().Sub(w.since))
	b.send(w.reply, &stanpb.PubAck{Guid: w.guid})
}

// notStored is called for a message that JetStream has refused, or not acknowledged. Only a
// definite no is an error for the client.
func (b *Bridge) notStored(m *nats.Msg, err error) {
	w := b.pending.remove(m)
	if w == nil {
		return
	}
	defer b.pending.answered()
	if !isDefinite(err) {
		b.counts.refuse(ReasonUnavailable)
		return
	}
	b.counts.refuse(ReasonRejected)
	b.send(w.reply, &stanpb.PubAck{Guid: w.guid, Error: errNotStored.Error()})
}

// errNotStored is what a client is told if the stream does not take its message.
var errNotStored = errors.New("stan: the stream does not accept the message")

// isDefinite reports whether the same message would fail again.
func isDefinite(err error) bool {
	if errors.Is(err, nats.ErrMaxPayload) {
		return true
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code < 500
}
