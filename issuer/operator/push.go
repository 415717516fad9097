package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// PushError says which servers have not taken a JWT.
type PushError struct {
	Silent  []Server          // did not answer
	Refused map[string]string // what they said, by name
	Behind  []Server          // answered, and go by another JWT
	Taken   int
}

// Error implements error.
func (e *PushError) Error() string {
	var parts []string
	if len(e.Silent) > 0 {
		parts = append(parts, "no answer from "+Names(e.Silent))
	}
	for name, text := range e.Refused {
		parts = append(parts, name+" refuses it: "+text)
	}
	if len(e.Behind) > 0 {
		parts = append(parts, Names(e.Behind)+" took it, and still goes by another")
	}
	return fmt.Sprintf("push: %s (%d took it)", strings.Join(parts, "; "), e.Taken)
}

// UnknownError says that no server has the JWT of an account.
type UnknownError struct{ Account string }

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("no server knows account %s: push its JWT first", e.Account)
}

// Push gives an account JWT to the resolvers, and waits until every one of the
// servers has taken it and goes by it. Anything less is a *PushError; those that
// have it keep it, and pushing again does no harm. One that a server would not trust
// is a *TrustError, and is not pushed at all.
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
	err = c.ask(ctx, subjectUpdate, []byte(text), func(m *nats.Msg) (bool, error) {
		var e envelope
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return false, fmt.Errorf("push: %w", err)
		}
		if e.Error != nil {
			failure.Refused[e.Server.Name] = e.Error.Description
		} else {
			failure.Taken++
		}
		answered[e.Server.ID] = true
		return len(answered) >= len(servers), nil
	})
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	for _, s := range servers {
		if !answered[s.ID] {
			failure.Silent = append(failure.Silent, s)
		}
	}
	if len(failure.Silent) > 0 || len(failure.Refused) > 0 {
		return failure
	}
	// A server answers once it has stored the JWT; whether it could be applied to
	// an account that is in use, it only says in its log.
	inForce, err := c.InForce(ctx, account, servers)
	if err != nil {
		return err
	}
	for _, in := range inForce {
		if in.JWT != "" && in.JWT != text {
			failure.Behind = append(failure.Behind, in.Server)
		}
	}
	if len(failure.Behind) > 0 {
		return failure
	}
	return nil
}

// Newest returns what is in force for an account, or stored where no server has
// loaded it yet: the newest there is, and whether all agree on it.
func (c *Cluster) Newest(ctx context.Context, account string, servers []Server) (claims *jwt.AccountClaims, text string, agree bool, err error) {
	inForce, err := c.InForce(ctx, account, servers)
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
