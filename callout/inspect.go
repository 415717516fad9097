package callout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/issuer"
)

// Sighting is what one authorization request says of the server that sent it.
type Sighting struct {
	Sealed     bool
	XKey       string // of ours that opened it; empty: it came in the clear, or could not be opened
	Refusal    string // code for which the service would not take the request; empty: it would
	Cause      string
	Issuer     string // the public key that the server expects answers from
	Known      bool   // the keyring can answer that
	Sentinel   string // operator mode: the user JWT that the client connected with
	ServerName string
	ServerID   string
	Client     string        // name of the client that the request is about
	Timeout    time.Duration // how long the server waits, in whole seconds
	Skew       time.Duration // our clock minus the server's, less than 1 s off
}

// Inspect reads an authorization request as the service would, for "usher check".
func Inspect(m *nats.Msg, keys *issuer.Keyring, now time.Time) Sighting {
	header := m.Header.Get(xkeyHeader)
	s := Sighting{Sealed: header != ""}
	plain, x, err := unseal(m.Data, header, keys)
	if x != nil {
		s.XKey = x.PublicKey()
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
	if s.Skew > 0 { // the claim counts in whole seconds, rounded down
		s.Skew = max(0, s.Skew-time.Second)
	}
	_, s.Known = keys.For(c.Subject)
	r := request{claims: c, header: header}
	if err := cmp.Or(r.verify(), r.inTime(issued, 0)); errors.As(err, &refused) && s.Refusal == "" {
		s.Refusal, s.Cause = refused.code, refused.cause
	}
	return s
}

// AccountOf asks the server which account nc is in.
func AccountOf(ctx context.Context, nc *nats.Conn) (string, error) {
	m, err := nc.RequestWithContext(ctx, "$SYS.REQ.USER.INFO", nil)
	if err != nil {
		return "", fmt.Errorf("ask for the account: %w", err)
	}
	var info struct {
		Data struct {
			Account string `json:"account"`
		} `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil {
		return "", fmt.Errorf("ask for the account: %w", err)
	}
	return info.Data.Account, nil
}
