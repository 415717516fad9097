package callout

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/callout/claims"
	"usher/callout/keyusage"
	"usher/issuer"
)

// The wire format of ADR-26.
const (
	Subject         = "$SYS.REQ.USER.AUTH"
	requestAudience = "nats-authorization-request"
	xkeyHeader      = "Nats-Server-Xkey"
	jwtPrefix       = "eyJ" // base64url of `{"`, by which nats-server itself recognizes a JWT that is not sealed
)

// request is an authorization request. Only once authenticate returns nil is it
// known to come from the server that it names.
type request struct {
	claims    *jwt.AuthorizationRequestClaims
	xkey      *issuer.XKey // that opened it; nil: it was not sealed
	header    string       // the server's public xkey from the message header, or empty
	signed    []byte       // the signed bytes; nil: jwt/v2 has verified the signature
	signature [ed25519.SignatureSize]byte
}

// server returns the server that the request names.
func (r *request) server() keyusage.Server {
	return keyusage.Server{ID: r.claims.Server.ID, Name: r.claims.Server.Name}
}

// publicXKey returns the public xkey that opened the request, empty if it was not
// sealed.
func (r *request) publicXKey() string {
	if r.xkey == nil {
		return ""
	}
	return r.xkey.PublicKey()
}

// refusal is the reason why a message is not accepted as a request.
type refusal struct {
	code  string
	cause string
}

func (r *refusal) Error() string { return r.cause }

func refuse(code, format string, args ...any) error {
	return &refusal{code: code, cause: fmt.Sprintf(format, args...)}
}

// read unseals and parses a message, and verifies nothing. header is the server's
// public xkey from the message header, or empty. Errors are refusals.
func read(data []byte, header string, keys *issuer.Keyring) (*request, error) {
	plain, xkey, err := unseal(data, header, keys)
	if err != nil {
		return nil, err
	}
	r, err := parse(plain)
	if err != nil {
		return nil, refuse(CodeNotARequest, "not an authorization request: %v", err)
	}
	r.xkey, r.header = xkey, header
	return r, nil
}

func parse(token []byte) (*request, error) {
	p, err := claims.Parse(token)
	return &request{claims: p.Claims, signed: p.Signed, signature: p.Signature}, err
}

// unseal returns the JWT of a message, and the xkey that opened it.
func unseal(data []byte, header string, keys *issuer.Keyring) ([]byte, *issuer.XKey, error) {
	if strings.HasPrefix(string(data[:min(len(data), len(jwtPrefix))]), jwtPrefix) {
		if len(keys.XKeys()) > 0 {
			return nil, nil, refuse(CodePlaintext, "the request is not sealed, and an xkey is configured")
		}
		return data, nil, nil
	}
	var failed error
	for _, x := range keys.XKeys() {
		plain, err := x.Open(data, header)
		if err == nil {
			return plain, x, nil
		}
		if failed == nil && !errors.Is(err, issuer.ErrNotForThisKey) {
			failed = err
		}
	}
	switch {
	case !nkeys.IsValidPublicCurveKey(header): // not before Open, which decodes the xkey of each server once
		return nil, nil, refuse(CodeNotARequest, "neither a JWT nor sealed by a server")
	case failed != nil:
		return nil, nil, refuse(CodeNotARequest, "open: %v", failed)
	case !strings.HasPrefix(string(data[:min(len(data), len(sealedPrefix))]), sealedPrefix):
		return nil, nil, refuse(CodeNotARequest, "neither a JWT nor sealed")
	default:
		return nil, nil, refuse(CodeXKeyUnknown, "sealed to an xkey that is not among the %d in the keyring", len(keys.XKeys()))
	}
}

const sealedPrefix = "xkv1"

// checkTimes checks that the request is valid now, which is as long as its server
// waits for an answer.
func (r *request) checkTimes(now time.Time, leeway time.Duration) error {
	c := r.claims
	switch {
	case c.Expires == 0 || now.Add(-leeway).Unix() > c.Expires:
		return refuse(CodeRequestExpired, "the server stopped waiting for an answer %s ago", now.Sub(time.Unix(c.Expires, 0)).Round(time.Second))
	case c.NotBefore > now.Add(leeway).Unix():
		return refuse(CodeNotARequest, "the request is not valid yet")
	default:
		return nil
	}
}

// authenticate verifies that a request comes from the server that it names, and is
// an authorization request. Errors are refusals.
func (r *request) authenticate() error {
	c := r.claims
	switch {
	case c.Issuer != c.Server.ID:
		return refuse(CodeServerID, "signed by %q for server %q", c.Issuer, c.Server.ID)
	case len(c.Issuer) != issuer.PublicKeyLength: // what a server is remembered by
		return refuse(CodeNotARequest, "not an authorization request: the nkey of the server is not in its usual form")
	case !r.signatureValid():
		return refuse(CodeNotARequest, "not an authorization request: not signed by %q", c.Issuer)
	case c.Audience != requestAudience:
		return refuse(CodeAudience, "the audience is not %s", requestAudience)
	case c.Server.XKey != r.header:
		return refuse(CodeXKeyMismatch, "the xkey in the header is not the one in the claims")
	case !nkeys.IsValidPublicUserKey(c.UserNkey):
		return refuse(CodeUserNkey, "the user nkey is not a public user key")
	default:
		return nil
	}
}

// signatureValid reports whether the issuer is the public nkey of a server and has
// signed the request. FromPublicKey excludes points of small order, for which a
// signature can be made without a private key.
func (r *request) signatureValid() bool {
	if r.signed == nil {
		return true
	}
	letter := strings.TrimLeft(r.claims.Issuer, "\r\n") // which base32 ignores
	if !strings.HasPrefix(letter, serverKeyPrefix) {
		return false
	}
	key, err := nkeys.FromPublicKey(r.claims.Issuer)
	return err == nil && key.Verify(r.signed, r.signature[:]) == nil
}

// serverKeyPrefix is the first letter of the nkeys of servers, and of no others.
const serverKeyPrefix = "N"
