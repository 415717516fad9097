package callout

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/nats-io/jwt/v2"

	"usher/callout/claims"
)

// jwtHeader is the header that nats-server writes: base64url of
// {"typ":"JWT","alg":"ed25519-nkey"}, with the dot.
const jwtHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."

// jwtVersion is the version of its claims.
const jwtVersion = 2

// usualText is the length of the claims that are decoded without an allocation, in bytes.
const usualText = 4 << 10

// parse parses a JWT without verifying its signature, because the request may be
// shed before. jwt/v2 would parse it twice and then verify it. Only a JWT that is
// not written as nats-server does is left to jwt/v2, which also verifies it.
func parse(token []byte) (*request, error) {
	r, ok := parseFast(token)
	if ok {
		return r, nil
	}
	c, err := jwt.DecodeAuthorizationRequestClaims(string(token))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return &request{claims: c}, nil
}

// parseFast parses a JWT as nats-server writes it. ok is false for any other.
func parseFast(token []byte) (r *request, ok bool) {
	rest, ok := bytes.CutPrefix(token, []byte(jwtHeader))
	if !ok || len(token) > jwt.MaxTokenSize {
		return nil, false
	}
	dot := bytes.IndexByte(rest, '.')
	if dot < 0 {
		return nil, false
	}
	var buffer [usualText]byte
	signature, err := base64.RawURLEncoding.AppendDecode(buffer[:0], rest[dot+1:])
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, false
	}
	r = &request{signed: token[:len(jwtHeader)+dot], signature: [ed25519.SignatureSize]byte(signature)}
	decoded, err := base64.RawURLEncoding.AppendDecode(buffer[:0], rest[:dot])
	if err != nil {
		return nil, false
	}
	text := string(decoded)
	r.claims, ok = claims.Decode(text)
	if !ok {
		r.claims, ok = unmarshal(text)
	}
	ok = ok && r.claims.Type == jwt.AuthorizationRequestClaim && r.claims.Version == jwtVersion
	return r, ok
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
