package stanbridge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/stanbridge/stanpb"
)

// The headers of a message in the stream. A client that gives no client ID has none there.
const (
	HeaderChannel  = "Stan-Channel"
	HeaderClientID = "Stan-Client-Id"
	HeaderGUID     = "Stan-Guid"
)

var (
	errTooLarge       = errors.New("stan: message too large")
	errUnknownChannel = errors.New("stan: unknown channel")
)

// refusal says why a message is not taken.
type refusal struct {
	reason Reason
	err    error // for the client
}

// convert returns a message of a client as it goes into the stream, and who sent it.
func (b *Bridge) convert(subject string, pub *stanpb.PubMsg) (out *nats.Msg, sender string, no refusal) {
	channel := pub.GetSubject()
	to, served := b.channels[channel]
	switch {
	case !validGUID(pub.GetGuid()), channel == "",
		// NATS checks where a client may publish by the subject, so the channel has to be
		// the one that the subject names.
		channel != b.channelOf(subject),
		len(pub.GetConnId()) > maxConnID:
		return nil, "", refusal{ReasonMalformed, errInvalidPublish}
	case !validSender(pub):
		return nil, "", refusal{ReasonClient, errInvalidPublish}
	case !served:
		return nil, "", refusal{ReasonChannel, errUnknownChannel}
	case len(pub.GetData()) > b.cfg.MaxPayload:
		return nil, "", refusal{ReasonTooLarge, errTooLarge}
	}
	out = nats.NewMsg(to)
	out.Data = pub.GetData()
	out.Header.Set(HeaderChannel, channel)
	out.Header.Set(HeaderGUID, pub.GetGuid())
	out.Header.Set(jetstream.MsgIDHeader, messageID(pub))
	sender = pub.GetClientId()
	if sender != "" {
		out.Header.Set(HeaderClientID, sender)
	} else {
		sender = "." + string(pub.GetConnId()) // no client ID
	}
	return out, sender, refusal{}
}

// validSender reports whether a message says who sent it: a client ID, or, from protocol 1
// on, a connection ID alone.
func validSender(pub *stanpb.PubMsg) bool {
	if pub.GetClientId() == "" {
		return len(pub.GetConnId()) > 0
	}
	return validClientID(pub.GetClientId())
}

// validGUID reports whether a guid can be the value of a header.
func validGUID(guid string) bool {
	if guid == "" || len(guid) > maxGUID {
		return false
	}
	for i := range len(guid) {
		if guid[i] <= ' ' || guid[i] > '~' {
			return false
		}
	}
	return true
}

// messageID returns the ID by which JetStream recognises a repeated message. The data is a
// part of it: whoever guesses the next guid of another client cannot make its message look
// like a repeated one.
func messageID(pub *stanpb.PubMsg) string {
	h := sha256.New()
	sender := []byte(pub.GetClientId())
	if len(sender) == 0 {
		sender = append([]byte("."), pub.GetConnId()...)
	}
	for _, part := range [][]byte{sender, []byte(pub.GetGuid()), []byte(pub.GetSubject()), pub.GetData()} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
