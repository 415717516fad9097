package claims

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/nats-io/jwt/v2"
)

// jwtHeader is the header that nats-server writes: base64url of
// {"typ":"JWT","alg":"ed25519-nkey"}, with the dot.
const jwtHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."

// jwtVersion is the version of its claims.
const jwtVersion = 2

// usualText is the length of the claims that are decoded without an allocation, in bytes.
const usualText = 4 << 10

// Parsed is a JWT of an authorization request, whose signature is not verified unless Signed
// is nil.
type Parsed struct {
	Claims    *jwt.AuthorizationRequestClaims
	Signed    []byte // the signed bytes; nil: jwt/v2 has verified the signature
	Signature [ed25519.SignatureSize]byte
}

// Parse parses a JWT without verifying its signature, because the request may be
// shed before. jwt/v2 would parse it twice and then verify it. Only a JWT that is
// not written as nats-server does is left to jwt/v2, which also verifies it.
func Parse(token []byte) (Parsed, error) {
	p, ok := parseFast(token)
	if ok {
		return p, nil
	}
	c, err := jwt.DecodeAuthorizationRequestClaims(string(token))
	if err != nil {
		return Parsed{}, fmt.Errorf("decode: %w", err)
	}
	return Parsed{Claims: c}, nil
}

// parseFast parses a JWT as nats-server writes it. ok is false for any other.
func parseFast(token []byte) (p Parsed, ok bool) {
	rest, ok := bytes.CutPrefix(token, []byte(jwtHeader))
	if !ok || len(token) > jwt.MaxTokenSize {
		return Parsed{}, false
	}
	dot := bytes.IndexByte(rest, '.')
	if dot < 0 {
		return Parsed{}, false
	}
	var buffer [usualText]byte
	signature, err := base64.RawURLEncoding.AppendDecode(buffer[:0], rest[dot+1:])
	if err != nil || len(signature) != ed25519.SignatureSize {
		return Parsed{}, false
	}
	p = Parsed{Signed: token[:len(jwtHeader)+dot], Signature: [ed25519.SignatureSize]byte(signature)}
	decoded, err := base64.RawURLEncoding.AppendDecode(buffer[:0], rest[:dot])
	if err != nil {
		return Parsed{}, false
	}
	text := string(decoded)
	p.Claims, ok = Decode(text)
	if !ok {
		p.Claims, ok = unmarshal(text)
	}
	ok = ok && p.Claims.Type == jwt.AuthorizationRequestClaim && p.Claims.Version == jwtVersion
	return p, ok
}

// unmarshal decodes claims that nats-server does not write. ok is false for those of
// version 1.
func unmarshal(text string) (c *jwt.AuthorizationRequestClaims, ok bool) {
	var both struct {
		TypeV1 jwt.ClaimType `json:"type"` // where version 1 has it
		jwt.AuthorizationRequestClaims
	}
	err := json.Unmarshal([]byte(text), &both)
	return &both.AuthorizationRequestClaims, err == nil && both.TypeV1 == ""
}
