package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"slices"

	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512" // for crypto.Hash
)

// algorithm is how a signature is made (RFC 7518 section 3, RFC 8037, RFC 9864).
type algorithm struct {
	hash  crypto.Hash
	pss   bool           // RSA: PSS instead of PKCS #1 v1.5
	curve elliptic.Curve // ECDSA
	ed    bool           // Ed25519
}

// algorithms has no "none" and no HMAC: a verifier holds public keys only.
var algorithms = map[string]algorithm{
	"RS256":   {hash: crypto.SHA256},
	"RS384":   {hash: crypto.SHA384},
	"RS512":   {hash: crypto.SHA512},
	"PS256":   {hash: crypto.SHA256, pss: true},
	"PS384":   {hash: crypto.SHA384, pss: true},
	"PS512":   {hash: crypto.SHA512, pss: true},
	"ES256":   {hash: crypto.SHA256, curve: elliptic.P256()},
	"ES384":   {hash: crypto.SHA384, curve: elliptic.P384()},
	"ES512":   {hash: crypto.SHA512, curve: elliptic.P521()},
	"EdDSA":   {ed: true},
	"Ed25519": {ed: true},
}

// Algorithms returns the algorithms that Verify knows, sorted.
func Algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
}

// AlgorithmsOf returns those of Algorithms that a public key is for.
func AlgorithmsOf(key crypto.PublicKey) []string {
	return slices.DeleteFunc(Algorithms(), func(name string) bool { return !algorithms[name].suits(key) })
}

func (a algorithm) suits(key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return !a.ed && a.curve == nil
	case *ecdsa.PublicKey:
		return a.curve != nil && a.curve == k.Curve
	case ed25519.PublicKey:
		return a.ed
	}
	return false
}

// Verify reports whether the key made the signature with the algorithm of the header.
func (t *Token) Verify(key crypto.PublicKey) bool {
	a, ok := algorithms[t.Algorithm]
	if !ok || !a.suits(key) {
		return false
	}
	signed := []byte(t.signed)
	if k, ok := key.(ed25519.PublicKey); ok {
		return ed25519.Verify(k, signed, t.signature)
	}
	h := a.hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if a.pss {
			return rsa.VerifyPSS(k, a.hash, digest, t.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, a.hash, digest, t.signature) == nil
	case *ecdsa.PublicKey: // RFC 7518 section 3.4: two integers of the size of the curve
		size := (k.Params().BitSize + 7) / 8
		if len(t.signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
		return ecdsa.Verify(k, digest, r, s)
	}
	return false
}
