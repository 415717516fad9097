package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Keys are the secrets by which replicas know each other's messages (issuer/sharedkey). Who
// only has the password of the service user, or another user in the callout account, has none
// of them: a session that it made up would let it in.
type Keys interface {
	Seal(ctx context.Context) ([]byte, error) // for what is sent
	Open(ctx context.Context) [][]byte        // for what arrives
}

const (
	macSize = sha256.Size
	keyTime = 2 * time.Second // for a key that a program signs with
)

var errNotSealed = errors.New("a message that no key of the keyring has sealed: do all replicas have the same keyring?")

// mac is the code of a message on a subject with a reply subject. An answer is on the reply
// subject of its request, so it answers no other one.
func mac(key []byte, subject, reply string, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s %s\n", subject, reply) // subjects have no spaces
	h.Write(data)
	return h.Sum(nil)
}

// seal adds the code to a message.
func (x *Exchange) seal(subject, reply string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyTime)
	defer cancel()
	key, err := x.cfg.Keys.Seal(ctx)
	if err != nil {
		x.warn("cannot seal messages", err)
		return nil, err
	}
	return append(data[:len(data):len(data)], mac(key, subject, reply, data)...), nil
}

// open returns a message without its code. It counts one that has none.
func (x *Exchange) open(subject, reply string, sealed []byte) ([]byte, error) {
	if n := len(sealed) - macSize; n >= 0 {
		ctx, cancel := context.WithTimeout(context.Background(), keyTime)
		defer cancel()
		for _, key := range x.cfg.Keys.Open(ctx) {
			if hmac.Equal(mac(key, subject, reply, sealed[:n]), sealed[n:]) {
				return sealed[:n], nil
			}
		}
	}
	x.malformed.Add(1)
	x.warn("left out", errNotSealed)
	return nil, errNotSealed
}
