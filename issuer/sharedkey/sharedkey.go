// Package sharedkey derives secrets that all replicas have and nobody else, from the signing
// keys of the keyring that they share. So replicas know each other's messages without
// another secret that somebody has to distribute and rotate.
//
// It promises that no two purposes have the same secret, and that a secret tells nothing
// about the signing key: it is a hash of a signature, and Ed25519 (RFC 8032) signs the same
// message the same way each time.
package sharedkey

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"usher/issuer"
)

// Size is the size of a secret in bytes.
const Size = sha256.Size

// domain separates these signatures from every other use of the key.
const domain = "usher shared key v1\x00"

// grace is how long the secret of a key that has left the keyring still opens: replicas load
// a keyring within seconds of each other, and not at once.
const grace = time.Minute

// Keys are the secrets of one purpose. They are safe for concurrent use.
type Keys struct {
	keyring func() *issuer.Keyring
	purpose string
	now     func() time.Time

	mu       sync.Mutex
	byPublic map[string]*secret // by the public key of the signing key
}

type secret struct {
	key  []byte
	held time.Time // when the keyring last had its signing key
}

// New returns the secrets of a purpose.
func New(keyring func() *issuer.Keyring, purpose string, now func() time.Time) *Keys {
	return &Keys{keyring: keyring, purpose: purpose, now: now, byPublic: map[string]*secret{}}
}

// Seal returns the secret for what is sent: that of the oldest key, which every replica has
// while a key is being replaced. An error means that the key cannot sign now.
func (k *Keys) Seal(ctx context.Context) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of(ctx, k.keyring().Oldest())
}

// Open returns the secrets for what arrives. It leaves out keys that cannot sign now.
func (k *Keys) Open(ctx context.Context) (all [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.keyring().Signers() {
		_, _ = k.of(ctx, s)
	}
	now := k.now()
	for public, s := range k.byPublic {
		if now.Sub(s.held) > grace {
			delete(k.byPublic, public)
			continue
		}
		all = append(all, s.key)
	}
	return all
}

// A Secret belongs to one signing key.
type Secret struct {
	Public string // the public key of the signing key
	Key    []byte
}

// Each returns a secret for each signing key that keeps values for long (Keyring.Lasting),
// sorted by public key. An error means that one of them cannot sign now.
func (k *Keys) Each(ctx context.Context) ([]Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []Secret
	for _, s := range k.keyring().Lasting() {
		key, err := k.of(ctx, s)
		if err != nil {
			return nil, err
		}
		all = append(all, Secret{s.PublicKey(), key})
	}
	return all, nil
}

// Lasting returns the public keys of the secrets that Each returns. It does not sign.
func (k *Keys) Lasting() []string {
	var all []string
	for _, s := range k.keyring().Lasting() {
		all = append(all, s.PublicKey())
	}
	return all
}

// Of returns the secret of the first of some signing keys that can sign now, or whose secret is
// still known. ok says whether there is one.
func (k *Keys) Of(ctx context.Context, wanted func(public string) bool) (found Secret, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.keyring().Lasting() {
		if !wanted(s.PublicKey()) {
			continue
		}
		if key, err := k.of(ctx, s); err == nil {
			return Secret{s.PublicKey(), key}, true
		}
	}
	now := k.now()
	for public, s := range k.byPublic {
		if now.Sub(s.held) <= grace && wanted(public) {
			return Secret{public, s.key}, true
		}
	}
	return Secret{}, false
}

// of returns the secret of a signing key. A signature is made once for each key. The caller
// holds mu.
func (k *Keys) of(ctx context.Context, s issuer.Signer) ([]byte, error) {
	public := s.PublicKey()
	if known := k.byPublic[public]; known != nil {
		known.held = k.now()
		return known.key, nil
	}
	signature, err := s.Sign(ctx, []byte(domain+k.purpose))
	if err != nil {
		return nil, fmt.Errorf("derive a shared key: %w", err)
	}
	key, err := hkdf.Key(sha256.New, signature, nil, domain+k.purpose, Size)
	if err != nil {
		return nil, fmt.Errorf("derive a shared key: %w", err)
	}
	k.byPublic[public] = &secret{key, k.now()}
	return key, nil
}
