// Package apikey creates and verifies API keys: tokens that belong to a user of the
// directory. It promises that a lookup is one map access by digest, that a mistyped
// key in usher's own format is rejected without a lookup, and that no key is ever
// stored or logged.
package apikey

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
)

// Prefix is the prefix of every key that usher creates. People and secret scanners
// recognise a key by it.
const Prefix = "usher_"

const (
	secretBytes   = 32 // 256 random bits
	checksumBytes = 4
	bodyLength    = 48 // base64url of 36 bytes, without padding
)

// Length is the length of a key that usher creates, in bytes.
const Length = len(Prefix) + bodyLength

// ErrMalformed: the key has usher's prefix, but a wrong length, alphabet or checksum.
var ErrMalformed = errors.New("malformed API key")

// New returns a new key: Prefix, then base64url of 32 bytes from random and a
// CRC-32 (IEEE, big endian) of prefix and those bytes. It is URL-safe.
func New(random io.Reader) (string, error) {
	var raw [secretBytes + checksumBytes]byte
	if _, err := io.ReadFull(random, raw[:secretBytes]); err != nil {
		return "", err
	}
	binary.BigEndian.PutUint32(raw[secretBytes:], checksum(raw[:secretBytes]))
	return Prefix + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// Check returns ErrMalformed for a token that has usher's prefix but that New cannot
// have created. Any other token is an opaque key of another system, and passes.
func Check(token string) error {
	body, found := strings.CutPrefix(token, Prefix)
	if !found {
		return nil
	}
	var raw [secretBytes + checksumBytes]byte
	if len(body) != bodyLength {
		return ErrMalformed
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(body)); err != nil {
		return ErrMalformed
	}
	if binary.BigEndian.Uint32(raw[secretBytes:]) != checksum(raw[:secretBytes]) {
		return ErrMalformed
	}
	return nil
}

func checksum(secret []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(Prefix)), crc32.IEEETable, secret)
}
