// Package ackid makes the ids by which messages that were pulled over HTTP are acknowledged,
// and reads them.
//
// It promises that an id is good only for the delivery, the subscription and the project for
// which it was made, on every replica, and that nobody without a signing key of the keyring
// can make one. An id tells positions in the stream and times, and nothing of the message. It
// does not know whether the delivery is still waiting for its acknowledgement: the stream does.
package ackid

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Purpose is the purpose of the keys (package issuer/sharedkey).
const Purpose = "ack id"

// MaxLength is the length of the longest id.
const MaxLength = 128

// ErrInvalid: an id was not made for this subscription, or not by an usher with these keys.
var ErrInvalid = errors.New("the ack id is not of this subscription")

// Keys are secrets that every replica has. *sharedkey.Keys implements them.
type Keys interface {
	Seal(ctx context.Context) ([]byte, error) // the secret for what is sent
	Open(ctx context.Context) [][]byte        // the secrets for what arrives
}

// Subscription is what ids are good for.
type Subscription struct {
	Project uuid.UUID
	Name    string
	Created time.Time // tells it from one of the same name that was deleted; zero: not known
}

// Delivery identifies one delivery of a message of a subscription to JetStream.
type Delivery struct {
	Stream, Consumer uint64    // sequences
	Count            uint64    // deliveries of the message, from 1
	Timestamp        int64     // as in the reply subject of the message: when it was stored, Unix nanoseconds
	At               time.Time // when it was delivered
}

// Maker makes ids for deliveries of one subscription. It is not safe for concurrent use.
type Maker struct{ signer }

// NewMaker returns the Maker of a subscription. An error means that there is no key now.
func NewMaker(ctx context.Context, keys Keys, of Subscription) (*Maker, error) {
	key, err := keys.Seal(ctx)
	if err != nil {
		return nil, fmt.Errorf("make ack ids: %w", err)
	}
	return &Maker{newSigner(key, of)}, nil
}

// Make returns the id of a delivery.
func (m *Maker) Make(d Delivery) string {
	b := make([]byte, 0, MaxLength)
	b = append(b, version)
	b = binary.AppendUvarint(b, d.Stream)
	b = binary.AppendUvarint(b, d.Consumer)
	b = binary.AppendUvarint(b, d.Count)
	b = binary.AppendVarint(b, d.Timestamp)
	b = binary.AppendVarint(b, d.At.UnixNano())
	return base64.RawURLEncoding.EncodeToString(m.sign(b, b))
}

// Reader reads ids for one subscription. It is not safe for concurrent use.
type Reader struct{ signers []signer }

// NewReader returns the Reader of a subscription.
func NewReader(ctx context.Context, keys Keys, of Subscription) *Reader {
	r := &Reader{}
	for _, key := range keys.Open(ctx) {
		r.signers = append(r.signers, newSigner(key, of))
	}
	return r
}

// Read returns the delivery of an id. Any error is ErrInvalid.
func (r *Reader) Read(id string) (Delivery, error) {
	if len(id) > MaxLength || strings.ContainsAny(id, "\r\n") { // base64 would skip them
		return Delivery{}, ErrInvalid
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(b) < 1+macSize || b[0] != version {
		return Delivery{}, ErrInvalid
	}
	payload, mac := b[:len(b)-macSize], b[len(b)-macSize:]
	good := false
	for _, s := range r.signers {
		good = hmac.Equal(s.sign(nil, payload), mac) || good
	}
	if !good {
		return Delivery{}, ErrInvalid
	}
	return parse(payload[1:])
}

// parse reads what Make has written.
func parse(b []byte) (d Delivery, err error) {
	bad := false
	unsigned := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	signed := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	d = Delivery{Stream: unsigned(), Consumer: unsigned(), Count: unsigned(), Timestamp: signed()}
	d.At = time.Unix(0, signed())
	if bad || len(b) > 0 {
		return Delivery{}, ErrInvalid
	}
	return d, nil
}

const (
	version = 1
	macSize = 16 // bytes of the HMAC that an id has
	domain  = "usher ack id v1\x00"
)

// signer signs for one subscription with one key.
type signer struct {
	mac   hash.Hash
	scope []byte
}

func newSigner(key []byte, of Subscription) signer {
	scope := append([]byte(domain), of.Project[:]...)
	scope = append(binary.AppendUvarint(scope, uint64(len(of.Name))), of.Name...)
	if !of.Created.IsZero() {
		scope = binary.AppendVarint(scope, of.Created.UnixNano())
	}
	return signer{hmac.New(sha256.New, key), scope}
}

// sign appends the signature of a payload to b.
func (s *signer) sign(b, payload []byte) []byte {
	s.mac.Reset()
	s.mac.Write(s.scope)
	s.mac.Write(payload)
	return append(b, s.mac.Sum(nil)[:macSize]...)
}
