package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// PushError reports that not every server has accepted a JWT.
type PushError struct {
	Unresponsive []Server          // did not answer
	Refused      map[string]string // their errors, by name of the server
	Stale        []Server          // accepted it, and still use another JWT
	Accepted     int               // how many accepted it
}

// Error implements error.
func (e *PushError) Error() string {
	var parts []string
	if len(e.Unresponsive) > 0 {
		parts = append(parts, "no answer from "+Names(e.Unresponsive))
	}
	for name, text := range e.Refused {
		parts = append(parts, name+" refuses it: "+text)
	}
	if len(e.Stale) > 0 {
		parts = append(parts, Names(e.Stale)+" accepted it but still uses another JWT")
	}
	return fmt.Sprintf("push: %s (accepted by %d)", strings.Join(parts, "; "), e.Accepted)
}

// UnknownError reports that no server has the JWT of an account.
type UnknownError struct{ Account string }

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("no server knows account %s: push its JWT first", e.Account)
}

// Push pushes an account JWT to the resolvers, and waits until every server has accepted
// it and uses it. Otherwise it returns a *PushError: servers that have accepted the JWT
// keep it, and Push can be called again. If a server does not trust the signer, Push
// pushes nothing and returns a *TrustError.
func (c *Cluster) Push(ctx context.Context, account, text string, servers []Server) error {
	claims, err := jwt.DecodeAccountClaims(text)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	if err := c.CheckTrust(ctx, claims.Issuer, servers); err != nil {
		return err
	}
	failure := &PushError{Refused: map[string]string{}}
	answered := map[string]bool{}
	err = c.request(ctx, subjectUpdate, []byte(text), func(m *nats.Msg) (bool, error) {
		var e envelope
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return false, fmt.Errorf("push: %w", err)
		}
		if e.Error != nil {
			failure.Refused[e.Server.Name] = e.Error.Description
		} else {
			failure.Accepted++
		}
		answered[e.Server.ID] = true
		return len(answered) >= len(servers), nil
	})
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	for _, s := range servers {
		if !answered[s.ID] {
			failure.Unresponsive = append(failure.Unresponsive, s)
		}
	}
	if len(failure.Unresponsive) > 0 || len(failure.Refused) > 0 {
		return failure
	}
	// A server answers once it has stored the JWT. If it cannot apply the JWT to an
	// account that is in use, it says so only in its log.
	inForce, err := c.LoadedJWTs(ctx, account, servers)
	if err != nil {
		return err
	}
	for _, in := range inForce {
		if in.JWT != "" && in.JWT != text {
			failure.Stale = append(failure.Stale, in.Server)
		}
	}
	if len(failure.Stale) > 0 {
		return failure
	}
	return nil
}

// Newest returns the newest JWT of an account that a server uses or has stored, and
// whether all servers have the same. *UnknownError: there is none.
func (c *Cluster) Newest(ctx context.Context, account string, servers []Server) (claims *jwt.AccountClaims, text string, agree bool, err error) {
	inForce, err := c.LoadedJWTs(ctx, account, servers)
	if err != nil {
		return nil, "", false, err
	}
	texts, err := c.Stored(ctx, account, servers)
	if err != nil {
		return nil, "", false, err
	}
	for _, in := range inForce {
		if in.JWT != "" {
			texts = append(texts, in.JWT)
		}
	}
	agree = true
	for _, t := range texts {
		x, err := jwt.DecodeAccountClaims(t)
		if err != nil {
			return nil, "", false, fmt.Errorf("account JWT of the resolver: %w", err)
		}
		agree = agree && (text == "" || t == text)
		if claims == nil || x.IssuedAt > claims.IssuedAt {
			claims, text = x, t
		}
	}
	if claims == nil {
		return nil, "", false, &UnknownError{Account: account}
	}
	return claims, text, agree, nil
}
