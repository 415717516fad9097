package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// TrustError reports that servers do not trust the signer of an account JWT. Nothing was
// pushed: a resolver stores a JWT of any signer, and a server that then loads the account
// for the first time refuses all its clients.
type TrustError struct {
	Signer    string   // public key of the signer
	Untrusted []Server // whose operator JWTs do not name the signer
	Unknown   []Server // that did not report the operators that they trust
}

// Error implements error.
func (e *TrustError) Error() string {
	var parts []string
	if len(e.Untrusted) > 0 {
		parts = append(parts, fmt.Sprintf("%s does not trust %s, which signs account JWTs: no operator JWT in the server's configuration names it (trusted_operators_jwt)", Names(e.Untrusted), e.Signer))
	}
	if len(e.Unknown) > 0 {
		parts = append(parts, fmt.Sprintf("%s does not report which operators it trusts ($SYS.REQ.SERVER.PING.VARZ)", Names(e.Unknown)))
	}
	return strings.Join(parts, "; ")
}

// Trusts returns the public keys of the signers that each server trusts, by server ID.
// They are fixed while a server runs, because a reload refuses a changed operator JWT.
// A server that does not report them is left out.
func (c *Cluster) Trusts(ctx context.Context, servers []Server) (map[string][]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(servers, func(s Server) bool { _, known := c.trusts[s.ID]; return !known }) {
		all, err := c.Varz(ctx, servers)
		if err != nil {
			return nil, fmt.Errorf("ask for trusted operators: %w", err)
		}
		for id, v := range all {
			if len(v.Operators) > 0 {
				c.trusts[id] = signersOf(v.Operators)
			}
		}
	}
	trusts := map[string][]string{}
	for _, s := range servers {
		if keys, known := c.trusts[s.ID]; known {
			trusts[s.ID] = keys
		}
	}
	return trusts, nil
}

// signersOf returns the keys that may sign account JWTs for these operators.
func signersOf(operators []string) []string {
	signers := []string{}
	for _, text := range operators {
		c, err := jwt.DecodeOperatorClaims(text)
		if err != nil {
			continue // a server does not start with an invalid operator JWT
		}
		signers = append(signers, Signers(c)...)
	}
	return signers
}

// Signers returns the public keys that may sign account JWTs for an operator.
func Signers(c *jwt.OperatorClaims) []string {
	if c.StrictSigningKeyUsage {
		return slices.Clone(c.SigningKeys)
	}
	return append([]string{c.Subject}, c.SigningKeys...)
}

// CheckTrust returns a *TrustError unless every server trusts a signer of account JWTs.
// Push calls it. Call it yourself before you create or retire anything ahead of a push.
func (c *Cluster) CheckTrust(ctx context.Context, signer string, servers []Server) error {
	trusts, err := c.Trusts(ctx, servers)
	if err != nil {
		return err
	}
	failure := &TrustError{Signer: signer}
	for _, s := range servers {
		switch keys, said := trusts[s.ID]; {
		case !said:
			failure.Unknown = append(failure.Unknown, s)
		case !slices.Contains(keys, signer):
			failure.Untrusted = append(failure.Untrusted, s)
		}
	}
	if len(failure.Untrusted)+len(failure.Unknown) > 0 {
		return failure
	}
	return nil
}

// Ready reports whether a key may sign account JWTs: the operator JWT on disk names it
// (CheckSigner), and every server trusts it (CheckTrust).
func (c *Cluster) Ready(ctx context.Context, dir Dir, signer nkeys.KeyPair, servers []Server) error {
	claims, err := dir.Operator()
	if err != nil {
		return err
	}
	if err := CheckSigner(claims, signer); err != nil {
		return err
	}
	public, err := signer.PublicKey()
	if err != nil {
		return fmt.Errorf("operator's key: %w", err)
	}
	return c.CheckTrust(ctx, public, servers)
}

// TrustHint returns a hint for a *TrustError; empty for any other error.
func TrustHint(err error) string {
	var trust *TrustError
	switch {
	case !errors.As(err, &trust):
		return ""
	case len(trust.Untrusted) > 0:
		return "put the operator JWT that names the key into the configuration of every server, and restart them one after the other; a reload is not enough (docs/how-to/own-operator.md, Add a signing key to the operator)"
	default:
		return "allow the system user to publish to " + subjectVarz + ", and set the operator's JWT in the servers' configuration (operator)"
	}
}
