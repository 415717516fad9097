package keyset

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"

	jose "github.com/go-jose/go-jose/v4"

	"usher/internal/strictjson"
	"usher/tokens/oidc/jwt"
)

const (
	maxDocument = 512 << 10 // bytes
	maxKeys     = 100
	// maxWithoutID is how many keys a token that names none is tried with: each costs a
	// verification. It is enough for the old, the present and the next key.
	maxWithoutID = 4

	minRSA, maxRSA = 2048, 8192 // bits (RFC 7518 section 3.3)
)

// ID says which key a token needs.
type ID struct {
	KeyID     string // kid; empty: any key for the algorithm
	Algorithm string
}

// Set is a key set. It does not change.
type Set struct {
	keys map[ID][]crypto.PublicKey // also under an empty KeyID
	size int
}

// Size returns the number of usable keys.
func (s *Set) Size() int { return s.size }

// find returns the keys that a token may be signed with.
func (s *Set) find(id ID) []crypto.PublicKey {
	if s == nil {
		return nil
	}
	keys := s.keys[id]
	if id.KeyID == "" && len(keys) > maxWithoutID {
		return nil
	}
	return keys
}

// properties are what decides whether a key is used, before it is read.
type properties struct {
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	KeyID      string   `json:"kid"`
}

// Parse reads a key set. It ignores keys that are not for signatures, that it does not
// support, or that are weak (RFC 7517 section 5), and returns an error if none is left.
func Parse(document []byte) (*Set, error) {
	if len(document) > maxDocument {
		return nil, fmt.Errorf("the key set is larger than %d bytes", maxDocument)
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := strictjson.Decode(document, &raw); err != nil {
		return nil, fmt.Errorf("the key set is not a JSON Web Key Set: %w", err)
	}
	if len(raw.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has more than %d keys", maxKeys)
	}
	s := &Set{keys: map[ID][]crypto.PublicKey{}}
	for _, text := range raw.Keys {
		s.add(text)
	}
	if s.size == 0 {
		return nil, fmt.Errorf("none of the %d keys of the key set is for signatures that usher verifies", len(raw.Keys))
	}
	return s, nil
}

// add adds a key if it is usable.
func (s *Set) add(text []byte) {
	var p properties
	var k jose.JSONWebKey
	if strictjson.Decode(text, &p) != nil || !p.verifies() || k.UnmarshalJSON(text) != nil || !k.IsPublic() || !strong(k.Key) {
		return
	}
	algorithms := jwt.AlgorithmsOf(k.Key)
	if p.Algorithm != "" {
		if !slices.Contains(algorithms, p.Algorithm) {
			return
		}
		algorithms = []string{p.Algorithm}
	}
	for _, a := range algorithms {
		s.put(ID{Algorithm: a}, k.Key)
		if p.KeyID != "" {
			s.put(ID{KeyID: p.KeyID, Algorithm: a}, k.Key)
		}
	}
	s.size++
}

func (s *Set) put(id ID, key crypto.PublicKey) { s.keys[id] = append(s.keys[id], key) }

// verifies reports whether the key's owner uses it for signatures (RFC 7517 sections 4.2
// and 4.3).
func (p *properties) verifies() bool {
	return (p.Use == "" || p.Use == "sig") && (len(p.Operations) == 0 || slices.Contains(p.Operations, "verify"))
}

func strong(key crypto.PublicKey) bool {
	k, ok := key.(*rsa.PublicKey)
	return !ok || k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA && k.E >= 3 && k.E&1 == 1
}
