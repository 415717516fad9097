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

// Decider is the one place where a credential becomes a grant: the live path
// and every explanation go through it.
type Decider struct {
	Chain    tokens.Chain
	Snapshot func() *snapshot.Snapshot // nil result: no directory is loaded
	Policy   *permissions.Policy
	Now      func() time.Time
}

// Decision is what was decided, and why.
type Decision struct {
	Outcome  Outcome
	Code     string // a code of Codes
	Cause    string // one line for people; empty when granted
	Verifier string // name of the verifier that decided; empty: none did
	Identity identity.Identity
	Facts    directory.Facts
	Grant    permissions.Grant
	Snapshot *snapshot.Snapshot // on which all of it was decided; nil: the directory was not asked, or is not loaded

	Verify, Derive time.Duration
}

// Decide verifies c and derives its grant, on one snapshot. Outcome is Granted,
// Denied, Unavailable or Shed. A grant that is larger than any server takes is
// Unavailable.
func (d *Decider) Decide(ctx context.Context, c *tokens.Credential) Decision {
	return d.DecideWithin(ctx, c, permissions.MaxAnswer)
}

// DecideWithin is Decide for a server that takes answers of limit bytes.
func (d *Decider) DecideWithin(ctx context.Context, c *tokens.Credential, limit int) Decision {
	return d.decide(ctx, c, d.Chain, limit)
}

// decideFast does what can be done without waiting for anybody. If the verifiers
// that can be asked at once leave the decision to others, it returns those.
func (d *Decider) decideFast(ctx context.Context, c *tokens.Credential, limit int) (Decision, tokens.Chain) {
	fast, rest := d.Chain.Fast(c)
	return d.decidePart(ctx, c, fast, rest, limit)
}

// decideSlow asks the first of chain, which can be slow, and those behind it that
// can be asked at once. If they leave the decision to others, it returns those.
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

// DecideIdentity derives the grant of an identity that is verified already, as
// DecideWithin does when its chain has returned it, for no connection in particular.
// It is decided on s.
func (d *Decider) DecideIdentity(s *snapshot.Snapshot, id identity.Identity, limit int) Decision {
	return d.derive(&Decision{Identity: id, Snapshot: s}, identity.Connection{}, d.Now(), limit)
}

func (d *Decider) derive(out *Decision, by identity.Connection, start time.Time, limit int) Decision {
	id := out.Identity
	if id.Authority == identity.AuthorityDirectory {
		if out.Snapshot == nil {
			return out.set(Unavailable, CodeNoDirectory, "no directory is loaded")
		}
		facts, ok := out.Snapshot.Facts(id.Name, id.Selection.Project)
		if !ok {
			return out.set(Denied, CodeUserUnknown, "the user is not in the directory")
		}
		if err := tokens.CheckUser(facts.User, id); err != nil { // whoever verified it
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
		err = d.Policy.Connect(&out.Grant, id.Name, by)
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
		return d.set(Denied, CodeNoCredential, "no credential that a verifier understands")
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
