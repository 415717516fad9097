package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Digest is the SHA-256 of an API key. The directory never stores the key itself.
type Digest [sha256.Size]byte

const digestPrefix = "sha256:"

// DigestOf returns the digest of an API key.
func DigestOf(key string) Digest { return sha256.Sum256([]byte(key)) }

// String returns the text form of a digest: "sha256:" and 64 lower-case hex digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// KeyID returns the default id of the key with this digest: the first 12 hex digits
// of the digest. An operator who sees the id in a log can find the key's line by it.
func (d Digest) KeyID() string { return hex.EncodeToString(d[:6]) }

// ErrDigest: a text that is not a digest. The error does not quote the text, which
// may be an API key in the wrong place.
var ErrDigest = errors.New("expected sha256: and 64 hex digits")

// MarshalText returns the form of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts "sha256:" and 64 hex digits; the error is ErrDigest.
func (d *Digest) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), digestPrefix)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != len(d) {
		return ErrDigest
	}
	copy(d[:], sum)
	return nil
}
