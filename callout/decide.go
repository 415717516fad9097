package callout

import (
	"context"
	"errors"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

// Decider turns a credential into a grant. The service and explanations share it.
type Decider struct {
	Chain    tokens.Chain
	Snapshot func() *snapshot.Snapshot // returns nil if no directory is loaded
	Policy   *permissions.Policy
	Now      func() time.Time
}

// Decision is the outcome for a credential, and its reason.
type Decision struct {
	Outcome  Outcome
	Code     string // one of Codes
	Cause    string // one line of text; empty when granted
	Verifier string // name of the verifier that decided; empty: none
	Identity identity.Identity
	Facts    directory.Facts
	Grant    permissions.Grant
	Snapshot *snapshot.Snapshot // on which the decision is based; nil: not needed, or not loaded

	Verify, Derive time.Duration
}

// Decide verifies c and derives its grant, on one snapshot. The outcome is Granted,
// Denied, Unavailable or Shed. It is Unavailable for a grant that is too large for
// any server.
func (d *Decider) Decide(ctx context.Context, c *tokens.Credential) Decision {
	return d.DecideWithin(ctx, c, permissions.MaxAnswer)
}

// DecideWithin is Decide for a server that accepts answers of up to limit bytes.
func (d *Decider) DecideWithin(ctx context.Context, c *tokens.Credential, limit int) Decision {
	return d.decide(ctx, c, d.Chain, limit)
}

// decideFast decides with the verifiers that never wait for a backend. If none of
// them applies, it returns the remaining verifiers.
func (d *Decider) decideFast(ctx context.Context, c *tokens.Credential, limit int) (Decision, tokens.Chain) {
	fast, rest := d.Chain.Fast(c)
	return d.decidePart(ctx, c, fast, rest, limit)
}

// decideSlow decides with the first verifier of chain, which can be slow, and the
// fast ones that follow it. If none of them applies, it returns the remaining
// verifiers.
func (d *Decider) decideSlow(ctx context.Context, c *tokens.Credential, chain tokens.Chain, limit int) (Decision, tokens.Chain) {
	_, rest := chain[1:].Fast(c)
	return d.decidePart(ctx, c, chain[:len(chain)-len(rest)], rest, limit)
}

func (d *Decider) decidePart(ctx context.Context, c *tokens.Credential, part, rest tokens.Chain, limit int) (Decision, tokens.Chain) {
	out := d.decide(ctx, c, part, limit)
	if out.Code == CodeNoCredential && len(rest) > 0 {
		return out, rest
	}
	return out, nil
}

func (d *Decider) decide(ctx context.Context, c *tokens.Credential, chain tokens.Chain, limit int) Decision {
	c.Bind(d.Snapshot)
	start := d.Now()
	id, verifier, err := chain.Verify(ctx, c)
	verified := d.Now()
	out := Decision{Identity: id, Verifier: verifier, Verify: verified.Sub(start)}
	if err != nil {
		return out.verifyFailed(err)
	}
	if id.Authority == identity.AuthorityDirectory {
		out.Snapshot = c.Directory(d.Snapshot)
	}
	return d.derive(&out, c.Connection, verified, limit)
}

// DecideIdentity derives the grant of a verified identity on snapshot s, as
// DecideWithin does after its chain returned the identity. It checks no connection
// type.
func (d *Decider) DecideIdentity(s *snapshot.Snapshot, id identity.Identity, limit int) Decision {
	return d.derive(&Decision{Identity: id, Snapshot: s}, identity.Connection{}, d.Now(), limit)
}

func (d *Decider) derive(out *Decision, conn identity.Connection, start time.Time, limit int) Decision {
	id := out.Identity
	if id.Authority == identity.AuthorityDirectory {
		if out.Snapshot == nil {
			return out.set(Unavailable, CodeNoDirectory, "no directory is loaded")
		}
		facts, ok := out.Snapshot.Facts(id.Name, id.Selection.Project)
		if !ok {
			return out.set(Denied, CodeUserUnknown, "the user is not in the directory")
		}
		if err := tokens.CheckUser(facts.User, id); err != nil { // not every verifier checks this
			return out.verifyFailed(err)
		}
		out.Facts = facts
		if facts.Undecided {
			return out.set(Unavailable, CodeUnreadable, "an entry about a project or a membership of the user cannot be read")
		}
	}
	var err error
	out.Grant, err = d.Policy.DeriveWithin(id, out.Facts, limit)
	if err == nil {
		err = d.Policy.Connect(&out.Grant, id.Name, conn)
	}
	out.Derive = d.Now().Sub(start)
	if err != nil {
		return out.deriveFailed(err)
	}
	return out.set(Granted, CodeGranted, "")
}

func (d *Decision) set(o Outcome, code, cause string) Decision {
	d.Outcome, d.Code, d.Cause = o, code, cause
	return *d
}

func (d *Decision) verifyFailed(err error) Decision {
	var reason *tokens.Reason
	switch {
	case errors.As(err, &reason):
		d.Identity = reason.Identity
		return d.set(Denied, reason.Code, reason.Cause)
	case errors.Is(err, tokens.ErrNotApplicable):
		return d.set(Denied, CodeNoCredential, "no recognised credential")
	case errors.Is(err, tokens.ErrRejected):
		return d.set(Denied, CodeRejected, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return d.set(Shed, CodeTooLate, "the budget ran out while verifying")
	default:
		return d.set(Unavailable, CodeUnavailable, err.Error())
	}
}

func (d *Decision) deriveFailed(err error) Decision {
	switch {
	case errors.Is(err, permissions.ErrNoRole):
		return d.set(Denied, CodeNoRole, err.Error())
	case errors.Is(err, permissions.ErrNotMember):
		return d.set(Denied, CodeNotMember, err.Error())
	case errors.Is(err, permissions.ErrNotInAccount):
		return d.set(Denied, CodeNotInAccount, err.Error())
	case errors.Is(err, permissions.ErrAmbiguousAccount):
		return d.set(Denied, CodeAmbiguous, err.Error())
	case errors.Is(err, permissions.ErrAmbiguousScope):
		return d.set(Denied, CodeAmbiguousScope, err.Error())
	case errors.Is(err, permissions.ErrNotOneToken) && !errors.Is(err, permissions.ErrInvariant):
		return d.set(Denied, CodeNotOneToken, err.Error())
	case errors.Is(err, permissions.ErrScopeLimits):
		return d.set(Denied, CodeScopeLimits, err.Error())
	case errors.Is(err, permissions.ErrTooLarge):
		return d.set(Unavailable, CodeTooLarge, err.Error())
	case errors.Is(err, permissions.ErrLeafNode) && !errors.Is(err, permissions.ErrInvariant):
		return d.set(Denied, CodeLeafNode, err.Error())
	case errors.Is(err, permissions.ErrConnectionType) && !errors.Is(err, permissions.ErrInvariant):
		return d.set(Denied, CodeConnectionType, err.Error())
	case errors.Is(err, permissions.ErrMQTTClientID):
		return d.set(Denied, CodeMQTTClientID, err.Error())
	case errors.Is(err, permissions.ErrUndecided):
		return d.set(Unavailable, CodeUnreadable, err.Error())
	case errors.Is(err, permissions.ErrNoAccount):
		return d.set(Unavailable, CodeNoAccount, err.Error())
	case errors.Is(err, permissions.ErrInvariant):
		return d.set(Unavailable, CodeInvariant, err.Error())
	default:
		return d.set(Unavailable, CodeInternal, err.Error())
	}
}
