package callout

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/callout/keyusage"
	"usher/identity"
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

// request is an authorization request. Until verify has returned nil it only
// claims to come from a server.
type request struct {
	claims    *jwt.AuthorizationRequestClaims
	xkey      *issuer.XKey // what opened it; nil: it came in the clear
	header    string       // the server's public xkey from the message header, or empty
	signed    []byte       // what signature is of; nil: jwt/v2 has verified it
	signature []byte
}

// server is what the request says of its sender.
func (r *request) server() keyusage.Server {
	return keyusage.Server{ID: r.claims.Server.ID, Name: r.claims.Server.Name}
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

// read opens a message so far that one can see who asks and for whom; nothing
// of it is proved. header is the server's public xkey from the message header, or
// empty. Errors are refusals.
func read(data []byte, header string, keys *issuer.Keyring) (*request, error) {
	plain, x, err := unseal(data, header, keys)
	if err != nil {
		return nil, err
	}
	r, err := parse(plain)
	if err != nil {
		return nil, refuse(CodeNotARequest, "not an authorization request: %v", err)
	}
	r.xkey, r.header = x, header
	return r, nil
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

// inTime says whether the server still waits for an answer, by its own account.
func (r *request) inTime(now time.Time, leeway time.Duration) error {
	c := r.claims
	switch {
	case c.Expires == 0 || now.Add(-leeway).Unix() > c.Expires:
		return refuse(CodeRequestExpired, "the server gave up on it %s ago", now.Sub(time.Unix(c.Expires, 0)).Round(time.Second))
	case c.NotBefore > now.Add(leeway).Unix():
		return refuse(CodeNotARequest, "not valid yet")
	default:
		return nil
	}
}

// verify proves that a request comes from the server that it names, and is meant
// for us.
func (r *request) verify() error {
	c := r.claims
	switch {
	case c.Issuer != c.Server.ID:
		return refuse(CodeServerID, "signed by %q for server %q", c.Issuer, c.Server.ID)
	case !r.verified():
		return refuse(CodeNotARequest, "not an authorization request: the signature is not that of %q", c.Issuer)
	case c.Audience != requestAudience:
		return refuse(CodeAudience, "audience is not %s", requestAudience)
	case c.Server.XKey != r.header:
		return refuse(CodeXKeyMismatch, "header and claim name different xkeys")
	case !nkeys.IsValidPublicUserKey(c.UserNkey):
		return refuse(CodeUserNkey, "the user nkey is not a public user key")
	default:
		return nil
	}
}

// CredentialOf returns what the client presented.
//
// A user JWT of NATS is not a token: in operator mode it is the sentinel, which
// many clients share. MQTT has no field for it, so a client that brings one has it
// in its password; nats-server copies the password into auth_token, and repeats
// it as the JWT. What is left of such a credential is the user name.
//
// Before 2.12.6 nats-server repeats every password of an MQTT client as the JWT;
// what is no JWT of NATS is no sentinel.
func CredentialOf(c *jwt.AuthorizationRequestClaims) tokens.Credential {
	o := &c.ConnectOptions
	out := tokens.Credential{
		AuthToken:  o.Token,
		User:       o.Username,
		Password:   o.Password,
		Host:       c.ClientInformation.Host,
		Connection: connectionOf(&c.ClientInformation),
	}
	if o.Password == o.JWT && ofNATS(o.JWT) {
		out.Password = ""
		if out.AuthToken == o.JWT {
			out.AuthToken = ""
		}
	}
	return out
}

// ofNATS reports whether a text is a JWT of NATS, as far as its header says.
func ofNATS(text string) bool {
	first, _, ok := strings.Cut(text, ".")
	if !ok || !strings.HasPrefix(first, jwtPrefix) {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(first)
	var header jwt.Header
	return err == nil && json.Unmarshal(raw, &header) == nil &&
		(header.Algorithm == jwt.AlgorithmNkey || header.Algorithm == jwt.AlgorithmNkeyOld)
}

// connectionOf returns how the client came. Of what it does not know it takes the
// server's word, which names no type in which anything is granted.
func connectionOf(c *jwt.ClientInformation) identity.Connection {
	switch {
	case c.Kind == kindLeafNode:
		return identity.Connection{Types: []string{jwt.ConnectionTypeLeafnode, jwt.ConnectionTypeLeafnodeWS}}
	case c.Kind != kindClient:
		return identity.Connection{Types: []string{"a connection of kind " + strconv.Quote(c.Kind)}}
	}
	switch c.Type {
	case "nats":
		return identity.Connection{Types: []string{jwt.ConnectionTypeStandard, jwt.ConnectionTypeInProcess}}
	case "websocket":
		return identity.Connection{Types: []string{jwt.ConnectionTypeWebsocket}}
	case "mqtt":
		return identity.Connection{Types: []string{jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS}, MQTTClientID: c.MQTT}
	default:
		return identity.Connection{Types: []string{"a connection of type " + strconv.Quote(c.Type)}}
	}
}

// Kinds of connection that nats-server asks about: clients, and the leaf nodes
// that come in. Routes, gateways and outgoing leaf nodes it settles by itself.
const (
	kindClient   = "Client"
	kindLeafNode = "Leafnode"
)
