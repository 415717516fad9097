package callout

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/issuer"
	"usher/tokens"
)

// The wire of ADR-26.
const (
	Subject         = "$SYS.REQ.USER.AUTH"
	requestAudience = "nats-authorization-request"
	xkeyHeader      = "Nats-Server-Xkey"
	jwtPrefix       = "eyJ" // base64url of `{"`, how nats-server itself tells a JWT from a sealed one
)

// request is an authorization request that has proved to come from a server.
type request struct {
	claims *jwt.AuthorizationRequestClaims
	xkey   *issuer.XKey // what opened it; nil: it came in the clear
}

// refusal is why a message is not taken as a request.
type refusal struct {
	code  string
	cause string
}

func (r *refusal) Error() string { return r.cause }

func refuse(code, format string, args ...any) error {
	return &refusal{code: code, cause: fmt.Sprintf(format, args...)}
}

// open opens a message and checks everything about it but the credential.
// header is the server's public xkey from the message header, or empty.
// Errors are refusals.
func open(data []byte, header string, keys *issuer.Keyring, now time.Time, leeway time.Duration) (*request, error) {
	plain, x, err := unseal(data, header, keys)
	if err != nil {
		return nil, err
	}
	claims, err := jwt.DecodeAuthorizationRequestClaims(string(plain))
	if err != nil {
		return nil, refuse(CodeNotARequest, "not an authorization request: %v", err)
	}
	if err := check(claims, header, now, leeway); err != nil {
		return nil, err
	}
	return &request{claims: claims, xkey: x}, nil
}

// unseal returns the JWT of a message, and the xkey that opened it.
func unseal(data []byte, header string, keys *issuer.Keyring) ([]byte, *issuer.XKey, error) {
	if strings.HasPrefix(string(data[:min(len(data), len(jwtPrefix))]), jwtPrefix) {
		if len(keys.XKeys()) > 0 {
			return nil, nil, refuse(CodePlaintext, "the request came in the clear, and an xkey is configured")
		}
		return data, nil, nil
	}
	if !nkeys.IsValidPublicCurveKey(header) {
		return nil, nil, refuse(CodeNotARequest, "neither a JWT nor sealed by a server")
	}
	for _, x := range keys.XKeys() {
		plain, err := x.Open(data, header)
		if err == nil {
			return plain, x, nil
		}
		if !errors.Is(err, issuer.ErrNotForThisKey) {
			return nil, nil, refuse(CodeNotARequest, "open: %v", err)
		}
	}
	if !strings.HasPrefix(string(data[:min(len(data), len(sealedPrefix))]), sealedPrefix) {
		return nil, nil, refuse(CodeNotARequest, "neither a JWT nor sealed")
	}
	return nil, nil, refuse(CodeXKeyUnknown, "sealed to an xkey that is not in the keyring (of %d)", len(keys.XKeys()))
}

const sealedPrefix = "xkv1"

// check says whether signed claims are a server's request to us, now. jwt/v2
// has verified the signature and that the issuer is a server key.
func check(c *jwt.AuthorizationRequestClaims, header string, now time.Time, leeway time.Duration) error {
	switch {
	case c.Issuer != c.Server.ID || !nkeys.IsValidPublicServerKey(c.Issuer):
		return refuse(CodeServerID, "signed by %q for server %q", c.Issuer, c.Server.ID)
	case c.Audience != requestAudience:
		return refuse(CodeAudience, "audience is not %s", requestAudience)
	case c.Server.XKey != header:
		return refuse(CodeXKeyMismatch, "header and claim name different xkeys")
	case !nkeys.IsValidPublicUserKey(c.UserNkey):
		return refuse(CodeUserNkey, "the user nkey is not a public user key")
	case c.Expires == 0 || now.Add(-leeway).Unix() > c.Expires:
		return refuse(CodeRequestExpired, "the server gave up on it %s ago", now.Sub(time.Unix(c.Expires, 0)).Round(time.Second))
	case c.NotBefore > now.Add(leeway).Unix():
		return refuse(CodeNotARequest, "not valid yet")
	default:
		return nil
	}
}

// CredentialOf returns what the client presented.
func CredentialOf(c *jwt.AuthorizationRequestClaims) tokens.Credential {
	return tokens.Credential{
		AuthToken: c.ConnectOptions.Token,
		User:      c.ConnectOptions.Username,
		Password:  c.ConnectOptions.Password,
		Host:      c.ClientInformation.Host,
	}
}
