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

// claims are those of an authorization request, and the place where a JWT of
// version 1 would state its type.
type claims struct {
	TypeV1 jwt.ClaimType `json:"type"`
	jwt.AuthorizationRequestClaims
}

// parse takes a JWT apart without verifying it. jwt/v2 reads every JWT twice and
// then verifies it, and some are shed before; what looks in any way other than
// nats-server writes it is left to jwt/v2, which verifies it too.
func parse(token []byte) (*request, error) {
	r, ok := parseUsual(token)
	if ok {
		return r, nil
	}
	c, err := jwt.DecodeAuthorizationRequestClaims(string(token))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return &request{claims: c}, nil
}

func parseUsual(token []byte) (*request, bool) {
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

// verified reports whether the issuer is the public nkey of a server, and has
// signed the request. A valid one is also no point of small order, which fits
// signatures that nobody made.
func (r *request) verified() bool {
	switch {
	case r.signed == nil:
		return true
	case !nkeys.IsValidPublicServerKey(r.claims.Issuer):
		return false
	}
	key, err := nkeys.Decode(nkeys.PrefixByteServer, []byte(r.claims.Issuer))
	return err == nil && ed25519.Verify(key, r.signed, r.signature)
}
