// Package box seals small values that usher keeps in the directory, so that replicas can open
// them and nobody else who reads the directory.
//
// A value is encrypted with a key of its own, which is wrapped once for each signing key that
// lasts (issuer.Keyring.Lasting). So it survives the replacement of a signing key, if it is
// sealed again while both the old key and the new key are there: Fresh says whether that is
// needed. It promises that a sealed value opens only in the context in which it was sealed,
// and that a changed one does not open.
package box

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"usher/issuer/sharedkey"
)

// ErrSealed: a value cannot be opened. It is sealed for other signing keys or for another
// context, or it is damaged.
var ErrSealed = errors.New("the value is not sealed for these signing keys")

// Box seals and opens values of one purpose. It is safe for concurrent use.
type Box struct {
	keys   *sharedkey.Keys
	random io.Reader
}

// New returns a Box. random is a source of cryptographic randomness.
func New(keys *sharedkey.Keys, random io.Reader) *Box { return &Box{keys, random} }

// Seal encrypts plaintext for every lasting signing key. context says where the value belongs;
// it is not a part of the result. An error means that a key cannot sign now.
func (b *Box) Seal(ctx context.Context, plaintext []byte, context string) ([]byte, error) {
	secrets, err := b.keys.Each(ctx)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if len(secrets) == 0 || len(secrets) > maxKeys {
		return nil, fmt.Errorf("seal: %d signing keys, expected 1 to %d", len(secrets), maxKeys)
	}
	content := make([]byte, keySize)
	if _, err := io.ReadFull(b.random, content); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	out := []byte{version, byte(len(secrets))} //nolint:gosec // at most maxKeys
	for _, s := range secrets {
		id := idOf(s.Public)
		out = append(out, id[:]...)
		if out, err = b.encrypt(out, s.Key, content, wrapData(id, context)); err != nil {
			return nil, err
		}
	}
	return b.encrypt(out, content, plaintext, contentData(context))
}

// Open decrypts a sealed value. ErrSealed: it cannot.
func (b *Box) Open(ctx context.Context, sealed []byte, context string) ([]byte, error) {
	p, ok := parse(sealed)
	if !ok {
		return nil, ErrSealed
	}
	secret, ok := b.keys.Of(ctx, func(public string) bool { return p.wrapped[idOf(public)] != nil })
	if !ok {
		return nil, ErrSealed
	}
	id := idOf(secret.Public)
	content, err := decrypt(secret.Key, p.wrapped[id], wrapData(id, context))
	if err != nil {
		return nil, err
	}
	return decrypt(content, p.content, contentData(context))
}

// Fresh reports whether a value is sealed for exactly the signing keys that last now. It does
// not open it.
func (b *Box) Fresh(sealed []byte) bool {
	p, ok := parse(sealed)
	lasting := b.keys.Lasting()
	if !ok || len(lasting) != len(p.wrapped) {
		return false
	}
	for _, public := range lasting {
		if p.wrapped[idOf(public)] == nil {
			return false
		}
	}
	return true
}

// SealedFor reports whether a value is sealed for a signing key, by its public key.
func SealedFor(sealed []byte, public string) bool {
	p, ok := parse(sealed)
	return ok && p.wrapped[idOf(public)] != nil
}

// encrypt appends a nonce and the ciphertext to out.
func (b *Box) encrypt(out, key, plaintext, data []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(b.random, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(append(out, nonce...), nonce, plaintext, data), nil
}

// decrypt reverses encrypt.
func decrypt(key, sealed, data []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], data)
	if err != nil {
		return nil, ErrSealed // the cause says no more
	}
	return plaintext, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead, nil
}
