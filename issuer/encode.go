package issuer

import (
	"context"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/nats-io/jwt/v2"

	"usher/permissions"
)

// This file encodes the two kinds of claims that usher signs. The encoder of jwt/v2
// takes a third of the time of a request, because it uses reflection and decodes the
// key for each of its checks. The output is byte for byte what jwt/v2 produces for the
// same claims in the same second (FuzzEncode).

// claimsData are the registered claims, in the order in which they are encoded.
type claimsData struct {
	audience string
	expires  int64 // seconds; zero: never
	issuedAt int64 // seconds
	issuer   string
	name     string
	subject  string
}

// append appends the claims as JSON without the closing brace.
func (c *claimsData) append(b []byte, id string) []byte {
	b = append(b, '{')
	b = appendMember(b, "aud", c.audience)
	b = appendInt(b, "exp", c.expires)
	b = appendMember(b, "jti", id)
	b = appendInt(b, "iat", c.issuedAt)
	b = appendMember(b, "iss", c.issuer)
	b = appendMember(b, "name", c.name)
	return appendMember(b, "sub", c.subject)
}

// base64url of {"typ":"JWT","alg":"ed25519-nkey"}, with the dot.
const jwtHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."

// jwtVersion is the version of the claims that jwt/v2 writes.
const jwtVersion = 2

// signatureLength is the length of an ed25519 signature in base64url.
const signatureLength = 86

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// buffers holds buffers for the JSON of claims.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the largest buffer that goes back to the pool, so that one huge grant
// does not keep its memory allocated.
const maxBuffer = 64 << 10

// encode returns the signed JWT of claims c. nats appends the value of the member
// "nats".
func encode(ctx context.Context, s Signer, c *claimsData, nats func([]byte) []byte) ([]byte, error) {
	buffer := buffers.Get().(*[]byte) // the pool holds nothing else
	b := (*buffer)[:0]
	defer func() {
		if cap(b) <= maxBuffer {
			*buffer = b
			buffers.Put(buffer)
		}
	}()

	// The id is the hash of the registered claims without the id.
	b = append(c.append(b, ""), '}')
	sum := sha512.Sum512_256(b)
	var id [52]byte // of 32 bytes in base32
	idEncoding.Encode(id[:], sum[:])

	b = c.append(b[:0], string(id[:]))
	b = append(nats(append(b, `,"nats":`...)), '}')

	out := make([]byte, 0, len(jwtHeader)+base64.RawURLEncoding.EncodedLen(len(b))+1+signatureLength)
	out = append(out, jwtHeader...)
	out = base64.RawURLEncoding.AppendEncode(out, b)
	signature, err := s.Sign(ctx, out)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	out = append(out, '.')
	return base64.RawURLEncoding.AppendEncode(out, signature), nil
}

// appendUser appends the member "nats" of a user JWT. The limits have the values
// that jwt/v2 uses for "no limit"; a scoped grant must not set any. account is the
// public key of the account that it is signed for, or empty.
func appendUser(b []byte, g *permissions.Grant, account string) []byte {
	if g.Scope != "" {
		b = append(b, `{"pub":{},"sub":{}`...)
	} else {
		b = appendLimits(b, g)
	}
	b = appendMember(b, "issuer_account", account)
	for i, t := range g.Tags {
		b = append(b, separator(i, `,"tags":[`)...)
		b = appendString(b, t)
	}
	b = closeList(b, len(g.Tags))
	return appendType(b, jwt.UserClaim)
}

func appendLimits(b []byte, g *permissions.Grant) []byte {
	b = append(b, `{"pub":`...)
	b = appendPermission(b, g, permissions.Publish)
	b = append(b, `,"sub":`...)
	b = appendPermission(b, g, permissions.Subscribe)
	for i, n := range g.Networks {
		b = append(b, separator(i, `,"src":[`)...)
		b = appendString(b, n.String())
	}
	b = closeList(b, len(g.Networks))
	b = append(b, `,"subs":-1,"data":-1,"payload":-1`...)
	for i, t := range g.ConnectionTypes {
		b = append(b, separator(i, `,"allowed_connection_types":[`)...)
		b = appendString(b, string(t))
	}
	return closeList(b, len(g.ConnectionTypes))
}

// appendResponse appends the member "nats" of an authorization response. One of
// user and text is set. account is the public key of the callout account, or
// empty.
func appendResponse(b, user []byte, text, account string) []byte {
	b = append(b, '{')
	if len(user) > 0 {
		b = append(b, `"jwt":"`...)
		b = append(b, user...) // base64url and dots: nothing to escape
		b = append(b, '"')
	} else {
		b = appendMember(b, "error", text)
	}
	b = appendMember(b, "issuer_account", account)
	return appendType(b, jwt.AuthorizationResponseClaim)
}

func appendType(b []byte, t jwt.ClaimType) []byte {
	b = appendMember(b, "type", string(t))
	b = appendInt(b, "version", jwtVersion)
	return append(b, '}')
}

// appendPermission appends one side of a grant. Its rules are sorted by side and
// effect, allow rules first.
func appendPermission(b []byte, g *permissions.Grant, side permissions.Side) []byte {
	b = append(b, '{')
	for _, e := range []struct {
		effect permissions.Effect
		name   string
	}{{permissions.Allow, "allow"}, {permissions.Deny, "deny"}} {
		n := 0
		for i := range g.Rules {
			r := &g.Rules[i]
			if r.Side != side || r.Effect != e.effect {
				continue
			}
			if n == 0 {
				b = append(appendKey(b, e.name), '[')
			} else {
				b = append(b, ',')
			}
			b = appendString(b, r.Subject)
			n++
		}
		b = closeList(b, n)
	}
	return append(b, '}')
}

// separator returns the text before element i of a list.
func separator(i int, start string) string {
	if i == 0 {
		return start
	}
	return ","
}

// closeList ends a list of n elements. An empty list was never started.
func closeList(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	return append(b, ']')
}

// appendMember appends a member with a string value, unless the value is empty.
func appendMember(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(appendKey(b, key), value)
}

// appendInt appends a member with a number value, unless the value is zero.
func appendInt(b []byte, key string, value int64) []byte {
	if value == 0 {
		return b
	}
	return strconv.AppendInt(appendKey(b, key), value, 10)
}

// appendKey appends the key of a member. The object's opening brace is already there.
func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// appendString appends s as encoding/json does. In names and subjects ">" is almost
// the only character to escape; encoding/json handles strings with any other.
func appendString(b []byte, s string) []byte {
	start, plain := len(b), 0 // s[plain:i] is not appended yet
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '>':
			b = append(append(b, s[plain:i]...), `\u003e`...)
			plain = i + 1
		case c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '&' || c == 0x7f:
			text, err := json.Marshal(s)
			if err != nil { // a string can always be encoded
				panic(err)
			}
			return append(b[:start], text...)
		}
	}
	return append(append(b, s[plain:]...), '"')
}
