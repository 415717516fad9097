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

// TrustError says that servers would not go by an account JWT that a key has signed.
// Nothing was pushed: a resolver stores what anybody has signed, and a server that
// meets an account for the first time then refuses everybody in it.
type TrustError struct {
	Signer    string   // public key of the one that signs
	Untrusted []Server // whose operators, as they were given their JWTs, do not name it
	Unsaid    []Server // that do not say which operators they trust
}

// Error implements error.
func (e *TrustError) Error() string {
	var parts []string
	if len(e.Untrusted) > 0 {
		parts = append(parts, fmt.Sprintf("%s does not trust %s, which signs account JWTs: it is in no operator JWT of that server's configuration (trusted_operators_jwt)", Names(e.Untrusted), e.Signer))
	}
	if len(e.Unsaid) > 0 {
		parts = append(parts, fmt.Sprintf("%s does not say which operators it trusts ($SYS.REQ.SERVER.PING.VARZ)", Names(e.Unsaid)))
	}
	return strings.Join(parts, "; ")
}

// Trusts returns the public keys that each of the servers takes account JWTs from,
// by server ID. That is fixed while a server runs: a reload refuses another operator
// JWT. A server that does not say is left out.
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

// signersOf returns the keys that sign account JWTs for operators.
func signersOf(operators []string) []string {
	signers := []string{}
	for _, text := range operators {
		c, err := jwt.DecodeOperatorClaims(text)
		if err != nil {
			continue // a server does not start with one that cannot be read
		}
		signers = append(signers, Signers(c)...)
	}
	return signers
}

// Signers returns the public keys that sign account JWTs for an operator.
func Signers(c *jwt.OperatorClaims) []string {
	if c.StrictSigningKeyUsage {
		return slices.Clone(c.SigningKeys)
	}
	return append([]string{c.Subject}, c.SigningKeys...)
}

// CheckTrust reports whether every one of the servers goes by account JWTs that a key
// has signed; if not, it is a *TrustError. Push asks; whoever makes or retires
// something before a push asks first.
func (c *Cluster) CheckTrust(ctx context.Context, signer string, servers []Server) error {
	trusts, err := c.Trusts(ctx, servers)
	if err != nil {
		return err
	}
	failure := &TrustError{Signer: signer}
	for _, s := range servers {
		switch keys, said := trusts[s.ID]; {
		case !said:
			failure.Unsaid = append(failure.Unsaid, s)
		case !slices.Contains(keys, signer):
			failure.Untrusted = append(failure.Untrusted, s)
		}
	}
	if len(failure.Untrusted)+len(failure.Unsaid) > 0 {
		return failure
	}
	return nil
}

// Ready reports whether a key may change account JWTs: the operator JWT on disk names
// it (CheckSigner), and every one of the servers trusts it (CheckTrust).
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

// TrustHint says what to do about a *TrustError; empty: err is none.
func TrustHint(err error) string {
	var trust *TrustError
	switch {
	case !errors.As(err, &trust):
		return ""
	case len(trust.Untrusted) > 0:
		return "put the operator JWT that names the key into the configuration of every server, and restart them one after the other: a reload refuses it (docs/how-to/own-operator.md, Add a signing key to the operator)"
	default:
		return "the system user has to be allowed to publish to " + subjectVarz + ", and the servers' configuration to name the operator's JWT (operator)"
	}
}
