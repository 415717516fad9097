package issuer

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"
)

// The sealed form of nkeys: version, 24 bytes of nonce, NaCl box.
const (
	sealVersion = "xkv1"
	nonceSize   = 24
	sealHeader  = len(sealVersion) + nonceSize
)

// maxSharedKeys bounds the cache of shared keys. A server has one xkey while it
// runs; Forget evicts those of stopped servers. At the bound the whole cache is
// cleared, and running servers fill it again.
const maxSharedKeys = 1024

// PublicKeyLength is the length of every public nkey. base32 ignores line breaks, so
// without this a key could be written in any number of ways, and at any length.
const PublicKeyLength = 56

// ErrNotForThisKey: the sealed data is for another xkey, or was modified.
var ErrNotForThisKey = errors.New("cannot be opened with this xkey")

// XKey opens requests and seals responses. It caches the shared key of every server,
// because deriving one takes about 25 times as long as sealing (65 µs against
// 2.5 µs). Safe for concurrent use.
type XKey struct {
	public string
	secret [32]byte
	shared atomic.Pointer[map[string]*sharedKey] // by the server's public xkey
}

// sharedKey is the secret that this xkey shares with the xkey of one server.
type sharedKey struct {
	key  [32]byte
	used atomic.Bool // since the last call of Forget
}

// NewXKey returns the XKey of a curve seed ("SX…").
func NewXKey(seed []byte) (*XKey, error) {
	prefix, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("decode seed: %w", err)
	}
	if prefix != nkeys.PrefixByteCurve {
		return nil, nkeys.ErrInvalidCurveSeed
	}
	x := &XKey{}
	copy(x.secret[:], raw)
	public, err := curve25519.X25519(x.secret[:], curve25519.Basepoint)
	if err != nil {
		return nil, fmt.Errorf("derive public xkey: %w", err)
	}
	text, err := nkeys.Encode(nkeys.PrefixByteCurve, public)
	if err != nil {
		return nil, fmt.Errorf("encode public xkey: %w", err)
	}
	x.public = string(text)
	x.shared.Store(&map[string]*sharedKey{})
	return x, nil
}

// PublicKey returns the public xkey, "X…".
func (x *XKey) PublicKey() string { return x.public }

// Open decrypts data that a server sealed to this key. server is the server's public
// xkey.
func (x *XKey) Open(sealed []byte, server string) ([]byte, error) {
	if len(sealed) < sealHeader+box.Overhead || string(sealed[:len(sealVersion)]) != sealVersion {
		return nil, ErrNotForThisKey
	}
	key, cached, err := x.sharedWith(server)
	if err != nil {
		return nil, err
	}
	var nonce [nonceSize]byte
	copy(nonce[:], sealed[len(sealVersion):])
	plain, ok := box.OpenAfterPrecomputation(nil, sealed[sealHeader:], &nonce, &key.key)
	if !ok {
		return nil, ErrNotForThisKey
	}
	if !cached {
		x.cache(server, key)
	}
	return plain, nil
}

// Seal encrypts plain for a server. server is the server's public xkey.
func (x *XKey) Seal(plain []byte, server string, random io.Reader) ([]byte, error) {
	key, _, err := x.sharedWith(server)
	if err != nil {
		return nil, err
	}
	out := make([]byte, sealHeader, sealHeader+box.Overhead+len(plain))
	copy(out, sealVersion)
	if _, err := io.ReadFull(random, out[len(sealVersion):]); err != nil {
		return nil, fmt.Errorf("read nonce: %w", err)
	}
	var nonce [nonceSize]byte
	copy(nonce[:], out[len(sealVersion):])
	return box.SealAfterPrecomputation(out, plain, &nonce, &key.key), nil
}

// sharedWith returns the key shared with a server, from the cache or derived.
func (x *XKey) sharedWith(server string) (key *sharedKey, cached bool, err error) {
	if key, ok := (*x.shared.Load())[server]; ok {
		if !key.used.Load() {
			key.used.Store(true)
		}
		return key, true, nil
	}
	prefix, raw, err := decodePublic(server)
	if err != nil || prefix != nkeys.PrefixByteCurve {
		return nil, false, fmt.Errorf("server xkey: %w", nkeys.ErrInvalidCurveKey)
	}
	key = new(sharedKey)
	key.used.Store(true)
	box.Precompute(&key.key, &raw, &x.secret)
	return key, false, nil
}

// cache adds a key that has opened a request. It replaces the map, so that readers
// need no lock.
func (x *XKey) cache(server string, key *sharedKey) {
	for {
		old := x.shared.Load()
		next := map[string]*sharedKey{}
		if len(*old) < maxSharedKeys {
			next = maps.Clone(*old)
		}
		next[strings.Clone(server)] = key // it shares the memory of the message's header
		if x.shared.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Forget evicts the shared keys that were not used since its last call. A server
// gets a new xkey when it restarts, so the key of its previous run is never used
// again.
func (x *XKey) Forget() {
	for {
		old := x.shared.Load()
		next := maps.Clone(*old)
		maps.DeleteFunc(next, func(_ string, key *sharedKey) bool { return !key.used.Load() })
		if x.shared.CompareAndSwap(old, &next) {
			for _, key := range next {
				key.used.Store(false)
			}
			return
		}
	}
}

func decodePublic(public string) (nkeys.PrefixByte, [32]byte, error) {
	var raw [32]byte
	prefix := nkeys.Prefix(public)
	if len(public) != PublicKeyLength {
		return prefix, raw, nkeys.ErrInvalidPublicKey
	}
	b, err := nkeys.Decode(prefix, []byte(public))
	if err != nil {
		return prefix, raw, fmt.Errorf("decode public key: %w", err)
	}
	if len(b) != len(raw) {
		return prefix, raw, nkeys.ErrInvalidPublicKey
	}
	copy(raw[:], b)
	return prefix, raw, nil
}
