package callout

import (
	"cmp"
	"errors"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/issuer"
)

// Inspection describes one authorization request and the server that sent it.
type Inspection struct {
	Sealed     bool
	XKey       string // of the keyring that opened it; empty: not sealed, or it could not be opened
	Refusal    string // code with which the service would refuse the request; empty: it would accept it
	Cause      string
	Issuer     string // public key from which the server expects answers
	Known      bool   // the keyring has the issuer
	Sentinel   string // operator mode: the user JWT with which the client connected
	ServerName string
	ServerID   string
	Client     string        // name of the client that the request is about
	Timeout    time.Duration // how long the server waits for an answer, in whole seconds
	Skew       time.Duration // clock of usher minus that of the server, to within 1 s
}

// Inspect reads an authorization request as the service would.
func Inspect(m *nats.Msg, keys *issuer.Keyring, now time.Time) Inspection {
	header := m.Header.Get(xkeyHeader)
	s := Inspection{Sealed: header != ""}
	plain, xkey, err := unseal(m.Data, header, keys)
	if xkey != nil {
		s.XKey = xkey.PublicKey()
	}
	var refused *refusal
	if errors.As(err, &refused) {
		s.Refusal, s.Cause = refused.code, refused.cause
		if refused.code != CodePlaintext {
			return s
		}
		plain = m.Data
	}
	c, err := jwt.DecodeAuthorizationRequestClaims(string(plain))
	if err != nil {
		s.Refusal, s.Cause = CodeNotARequest, err.Error()
		return s
	}
	issued := time.Unix(c.IssuedAt, 0)
	s.Issuer, s.ServerName, s.ServerID = c.Subject, c.Server.Name, c.Server.ID
	s.Client, s.Sentinel = c.ClientInformation.Name, c.ConnectOptions.JWT
	s.Timeout = time.Unix(c.Expires, 0).Sub(issued)
	s.Skew = now.Sub(issued)
	if s.Skew > 0 { // issued is rounded down to whole seconds
		s.Skew = max(0, s.Skew-time.Second)
	}
	_, s.Known = keys.For(c.Subject)
	r := request{claims: c, header: header}
	if err := cmp.Or(r.authenticate(), r.checkTimes(issued, 0)); errors.As(err, &refused) && s.Refusal == "" {
		s.Refusal, s.Cause = refused.code, refused.cause
	}
	return s
}
