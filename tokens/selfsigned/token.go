// Package selfsigned creates and verifies tokens that usher gives itself. A token is signed
// with the issuer key, which the replicas share, so every replica accepts the tokens of the
// others without any exchange (docs/adr/0002-health-token.md). It does not know what a token
// is for: that is the Kind.
package selfsigned

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/issuer"
)

// Kind is one use of these tokens.
type Kind struct {
	Prefix string // of every token
	// Domain separates the signatures from every other use of the key. It ends with a NUL.
	Domain string
}

// Claims are what a token says.
type Claims struct {
	Expires time.Time // to the second
	Text    string    // what else the kind puts into a token; at most MaxText bytes
}

// MaxText is the greatest length of Claims.Text.
const MaxText = 256

const (
	randomBytes = 20
	expiryBytes = 8
	headBytes   = randomBytes + expiryBytes
	minBytes    = headBytes + ed25519.SignatureSize
)

// New returns a token: the prefix, then base64url of 20 random bytes, the Unix time of expiry
// (8 bytes, big endian), the text, and the signature of all of these.
func (k Kind) New(ctx context.Context, s issuer.Signer, random io.Reader, c Claims) (string, error) {
	if len(c.Text) > MaxText {
		return "", fmt.Errorf("the text of a token has %d bytes, at most %d are allowed", len(c.Text), MaxText)
	}
	raw := make([]byte, headBytes, minBytes+len(c.Text))
	if _, err := io.ReadFull(random, raw[:randomBytes]); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	binary.BigEndian.PutUint64(raw[randomBytes:], uint64(c.Expires.Unix())) //nolint:gosec // after 1970
	raw = append(raw, c.Text...)
	sig, err := s.Sign(ctx, append([]byte(k.Domain), raw...))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return k.Prefix + base64.RawURLEncoding.EncodeToString(append(raw, sig...)), nil
}

// Is reports whether a text has the prefix of the kind.
func (k Kind) Is(token string) bool { return strings.HasPrefix(token, k.Prefix) }

// Open returns what a token says. ok is false if none of the keys has signed it for this
// kind. It does not look at the time.
func (k Kind) Open(keys *issuer.Keyring, token string) (c Claims, ok bool) {
	body, found := strings.CutPrefix(token, k.Prefix)
	if !found || base64.RawURLEncoding.DecodedLen(len(body)) > minBytes+MaxText {
		return Claims{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) < minBytes {
		return Claims{}, false
	}
	signed, sig := raw[:len(raw)-ed25519.SignatureSize], raw[len(raw)-ed25519.SignatureSize:]
	if !validSignature(keys, append([]byte(k.Domain), signed...), sig) {
		return Claims{}, false
	}
	return Claims{
		Expires: time.Unix(int64(binary.BigEndian.Uint64(signed[randomBytes:headBytes])), 0), //nolint:gosec // signed by us
		Text:    string(signed[headBytes:]),
	}, true
}

func validSignature(keys *issuer.Keyring, message, sig []byte) bool {
	for _, s := range keys.Signers() {
		kp, err := nkeys.FromPublicKey(s.PublicKey())
		if err == nil && kp.Verify(message, sig) == nil {
			return true
		}
	}
	return false
}
