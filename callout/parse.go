package callout

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// jwtHeader is the header that nats-server writes: base64url of
// {"typ":"JWT","alg":"ed25519-nkey"}, with the dot.
const jwtHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."

// jwtVersion is the version of its claims.
const jwtVersion = 2

// claims are the claims of an authorization request, and the member in which a JWT
// of version 1 has its type.
type claims struct {
	TypeV1 jwt.ClaimType `json:"type"`
	jwt.AuthorizationRequestClaims
}

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
	signature, err := base64.RawURLEncoding.AppendDecode(nil, rest[dot+1:])
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, false
	}
	text, err := base64.RawURLEncoding.AppendDecode(nil, rest[:dot])
	if err != nil {
		return nil, false
	}
	var c claims
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, false
	}
	if c.TypeV1 != "" || c.Type != jwt.AuthorizationRequestClaim || c.Version != jwtVersion {
		return nil, false
	}
	return &request{
		claims:    &c.AuthorizationRequestClaims,
		signed:    token[:len(jwtHeader)+dot],
		signature: signature,
	}, true
}

// signatureValid reports whether the issuer is the public nkey of a server and has
// signed the request. The check of the nkey also excludes points of small order,
// for which a signature can be made without a private key.
func (r *request) signatureValid() bool {
	switch {
	case r.signed == nil:
		return true
	case !nkeys.IsValidPublicServerKey(r.claims.Issuer):
		return false
	}
	key, err := nkeys.Decode(nkeys.PrefixByteServer, []byte(r.claims.Issuer))
	return err == nil && ed25519.Verify(key, r.signed, r.signature)
}
