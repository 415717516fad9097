package box

import (
	"crypto/sha256"
)

// A sealed value is
//
//	version (1 byte) | number of keys (1 byte) | for each key: id (8) | wrapped key (60) | content
//
// where the wrapped key and the content are nonce (12) | AES-256-GCM ciphertext | tag (16).
const (
	version = 1

	maxKeys     = 32
	keySize     = 32
	idSize      = 8
	nonceSize   = 12
	tagSize     = 16
	wrappedSize = nonceSize + keySize + tagSize
)

type keyID [idSize]byte

// idOf identifies a signing key in a sealed value, without naming it.
func idOf(public string) (id keyID) {
	sum := sha256.Sum256([]byte("usher box key v1\x00" + public))
	copy(id[:], sum[:])
	return id
}

// wrapData is the associated data of a wrapped key.
func wrapData(id keyID, context string) []byte {
	return append(append([]byte("usher box wrap v1\x00"), id[:]...), context...)
}

// contentData is the associated data of the content.
func contentData(context string) []byte {
	return append([]byte("usher box content v1\x00"), context...)
}

type parsed struct {
	wrapped map[keyID][]byte // wrapped keys
	content []byte
}

func parse(sealed []byte) (p parsed, ok bool) {
	if len(sealed) < 2 || sealed[0] != version || sealed[1] == 0 || sealed[1] > maxKeys {
		return p, false
	}
	n, rest := int(sealed[1]), sealed[2:]
	if len(rest) < n*(idSize+wrappedSize)+nonceSize+tagSize {
		return p, false
	}
	p.wrapped = make(map[keyID][]byte, n)
	for range n {
		id := keyID(rest[:idSize])
		if p.wrapped[id] != nil {
			return p, false
		}
		p.wrapped[id] = rest[idSize : idSize+wrappedSize]
		rest = rest[idSize+wrappedSize:]
	}
	p.content = rest
	return p, true
}
