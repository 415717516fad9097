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

// Elsewhere returns the key of an operator that a signer has, such as a program
// (issuer.NewCommand): it signs, and shows no seed. ctx ends its signatures.
func Elsewhere(ctx context.Context, s issuer.Signer) (nkeys.KeyPair, error) {
	if nkeys.Prefix(s.PublicKey()) != nkeys.PrefixByteOperator {
		return nil, ErrNotOperator
	}
	return &elsewhere{
		public: s.PublicKey(),
		sign:   func(data []byte) ([]byte, error) { return s.Sign(ctx, data) },
	}, nil
}

var errElsewhere = errors.New("the key is elsewhere: it signs, and does nothing more")

type elsewhere struct {
	public string
	sign   func(data []byte) ([]byte, error)
}

func (e *elsewhere) PublicKey() (string, error) { return e.public, nil }

func (e *elsewhere) Sign(data []byte) ([]byte, error) { return e.sign(data) }

func (e *elsewhere) Verify(data, signature []byte) error {
	raw, err := nkeys.Decode(nkeys.PrefixByteOperator, []byte(e.public))
	if err != nil {
		return fmt.Errorf("operator's key: %w", err)
	}
	if !ed25519.Verify(raw, data, signature) {
		return nkeys.ErrInvalidSignature
	}
	return nil
}

func (*elsewhere) Wipe() {}

func (*elsewhere) Seed() ([]byte, error)       { return nil, errElsewhere }
func (*elsewhere) PrivateKey() ([]byte, error) { return nil, errElsewhere }

func (*elsewhere) Seal([]byte, string) ([]byte, error) { return nil, errElsewhere }
func (*elsewhere) Open([]byte, string) ([]byte, error) { return nil, errElsewhere }

func (*elsewhere) SealWithRand([]byte, string, io.Reader) ([]byte, error) {
	return nil, errElsewhere
}
