package setup

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"
)

// encodeKeyPair returns the content of a seed file and the public key.
func encodeKeyPair(kp nkeys.KeyPair, err error) (seed []byte, public string, _ error) {
	if err != nil {
		return nil, "", fmt.Errorf("create key: %w", err)
	}
	seed, err = kp.Seed()
	if err != nil {
		return nil, "", fmt.Errorf("create key: %w", err)
	}
	public, err = kp.PublicKey()
	if err != nil {
		return nil, "", fmt.Errorf("create key: %w", err)
	}
	return append(seed, '\n'), public, nil
}

// newPassword returns a password of 256 random bits and its bcrypt hash. The lowest cost
// is enough: the password cannot be guessed, and nats-server computes the hash at every
// connect.
func (o *Options) newPassword() (text []byte, hash string, _ error) {
	var raw [32]byte
	if _, err := io.ReadFull(o.Random, raw[:]); err != nil {
		return nil, "", fmt.Errorf("create password: %w", err)
	}
	password := base64.RawURLEncoding.EncodeToString(raw[:])
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return nil, "", fmt.Errorf("hash password: %w", err)
	}
	return []byte(password + "\n"), string(h), nil
}
