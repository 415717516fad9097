package issuer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"
)

// Signer signs with one nkey. It keeps its expanded key, and PublicKey does not
// allocate. Safe for concurrent use.
type Signer interface {
	// PublicKey returns the public nkey, such as "A…".
	PublicKey() string
	// Sign returns the ed25519 signature of data.
	Sign(ctx context.Context, data []byte) ([]byte, error)
}

// seedSigner signs with a key that is held in this process.
type seedSigner struct {
	public string
	key    ed25519.PrivateKey
}

// NewSigner returns a Signer for an account, operator or user seed ("SA…", …).
func NewSigner(seed []byte) (Signer, error) {
	prefix, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("decode seed: %w", err)
	}
	if prefix == nkeys.PrefixByteCurve {
		return nil, errors.New("an xkey encrypts; it cannot sign")
	}
	key := ed25519.NewKeyFromSeed(raw)
	public, err := nkeys.Encode(prefix, key.Public().(ed25519.PublicKey)) // the type that crypto/ed25519 documents
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &seedSigner{public: string(public), key: key}, nil
}

func (s *seedSigner) PublicKey() string { return s.public }

func (s *seedSigner) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(s.key, data), nil
}
