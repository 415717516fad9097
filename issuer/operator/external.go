package operator

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nkeys"

	"usher/issuer"
)

// ExternalKey returns an operator's key pair that signs with a Signer, such as an external
// program (issuer.NewCommand). It has no seed. ctx limits its signatures.
func ExternalKey(ctx context.Context, s issuer.Signer) (nkeys.KeyPair, error) {
	if nkeys.Prefix(s.PublicKey()) != nkeys.PrefixByteOperator {
		return nil, ErrNotOperator
	}
	return &externalKey{
		public: s.PublicKey(),
		sign:   func(data []byte) ([]byte, error) { return s.Sign(ctx, data) },
	}, nil
}

var errExternal = errors.New("an external key can only sign")

type externalKey struct {
	public string
	sign   func(data []byte) ([]byte, error)
}

func (e *externalKey) PublicKey() (string, error) { return e.public, nil }

func (e *externalKey) Sign(data []byte) ([]byte, error) { return e.sign(data) }

func (e *externalKey) Verify(data, signature []byte) error {
	raw, err := nkeys.Decode(nkeys.PrefixByteOperator, []byte(e.public))
	if err != nil {
		return fmt.Errorf("operator's key: %w", err)
	}
	if !ed25519.Verify(raw, data, signature) {
		return nkeys.ErrInvalidSignature
	}
	return nil
}

func (*externalKey) Wipe() {}

func (*externalKey) Seed() ([]byte, error)       { return nil, errExternal }
func (*externalKey) PrivateKey() ([]byte, error) { return nil, errExternal }

func (*externalKey) Seal([]byte, string) ([]byte, error) { return nil, errExternal }
func (*externalKey) Open([]byte, string) ([]byte, error) { return nil, errExternal }

func (*externalKey) SealWithRand([]byte, string, io.Reader) ([]byte, error) {
	return nil, errExternal
}
