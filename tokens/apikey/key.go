// Package apikey verifies API keys: tokens that belong to a user of the
// directory. It promises that a look-up is one map access by digest, that a
// mistyped key of usher's own form never gets that far, and that no key is ever
// kept or logged.
package apikey

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
)

// Prefix begins every key that usher makes, so that people and secret scanners
// recognise one.
const Prefix = "usher_"

const (
	secretBytes   = 32 // 256 random bits
	checksumBytes = 4
	bodyLength    = 48 // base64url of 36 bytes, without padding
)

// Length is the length of a key that usher makes.
const Length = len(Prefix) + bodyLength

// ErrMalformed: a key with usher's prefix whose form or checksum is wrong.
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

// Check reports ErrMalformed for a token that has usher's prefix and is not a
// key that New could have made. Any other token is an opaque key from
// elsewhere, about which nothing can be said.
func Check(token string) error {
	body, ours := strings.CutPrefix(token, Prefix)
	if !ours {
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
