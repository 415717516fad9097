package callout

import (
	"cmp"
	"context"
	"errors"
	"time"

	"usher/callout/waiting"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/form"
)

// Decider turns a credential into a grant. The service and explanations share it.
type Decider struct {
	Chain    tokens.Chain
	Snapshot func() *snapshot.Snapshot // returns nil if no directory is loaded
	Now      func() time.Time          // for bans, and for Reconsider
	Ruleset  func() *Ruleset
}

// Ruleset is what the configuration says about grants. One decision goes by one of them, and
// nobody changes one that is in use.
type Ruleset struct {
	Policy *permissions.Policy
	Rules  *mapping.Rules // for identities that are not of the directory; nil: none
	Digest uint64         // of what a reload can change; replicas with the same rules have the same one
}

// FixedRuleset returns a Ruleset that is never replaced.
func FixedRuleset(policy *permissions.Policy, rules *mapping.Rules) func() *Ruleset {
	r := &Ruleset{Policy: policy, Rules: rules}
	return func() *Ruleset { return r }
}

// Decision is the outcome for a credential, and its reason.
type Decision struct {
	Outcome  Outcome
	Code     string // one of Codes
	Cause    string // one line of text; empty when granted
	Verifier string // name of the verifier that decided; empty: none
	Identity identity.Identity
	Rules    []string // names of the rules that matched, for an identity that is not of the directory
	Facts    directory.Facts
	Grant    permissions.Grant
	Snapshot *snapshot.Snapshot // on which the decision is based; nil: not needed, or not loaded
	Ruleset  *Ruleset           // on which the grant is based; nil: the identity is not known
	Until    time.Time          // the user JWT must not outlive that of the session; zero: it may (Reconsider)
}

// Decide verifies c and derives its grant, on one snapshot. The outcome is Granted,
// Denied, Unavailable or Shed. It is Unavailable for a grant that is too large for
// any server.
func (d *Decider) Decide(ctx context.Context, c *tokens.Credential) Decision {
	return d.DecideWithin(ctx, c, permissions.MaxAnswer)
}

// DecideWithin is Decide for a server that accepts answers of up to limit bytes.
func (d *Decider) DecideWithin(ctx context.Context, c *tokens.Credential, limit int) Decision {
	out := d.verify(ctx, c, nil)
	d.derive(&out, c, limit)
	return out
}

// DecideIdentity derives the grant of a verified identity on snapshot s, as
// DecideWithin does after its chain returned the identity. It checks no connection
// type.
func (d *Decider) DecideIdentity(s *snapshot.Snapshot, id identity.Identity, limit int) Decision {
	out := Decision{Identity: id, Snapshot: s}
	d.derive(&out, &tokens.Credential{}, limit)
	return out
}

// verify returns a decision with the identity of c, and without an outcome unless the
// credential was not verified.
func (d *Decider) verify(ctx context.Context, c *tokens.Credential, g tokens.Gate) (out Decision) {
	// What is banned whoever it is costs no backend a call. usher itself is never banned: neither
	// its health check nor its connections into the accounts of projects.
	if !form.OfUsher(c.Token()) && !out.allow(tokens.CheckPresented(d.Snapshot(), c, out.Identity, d.Now)) {
		return out
	}
	c.Bind(d.Snapshot)
	var err error
	out.Identity, out.Verifier, err = d.Chain.Verify(ctx, c, g)
	if err != nil {
		out.verifyFailed(err)
		return out
	}
	if out.Identity.Authority != identity.AuthorityUsher {
		out.Snapshot = c.Directory(d.Snapshot)
	}
	return out
}

// derive adds the grant to a decision with the identity of c, and its outcome. It reports
// whether that is Granted. It leaves a decision alone that has an outcome.
func (d *Decider) derive(out *Decision, c *tokens.Credential, limit int) bool {
	if out.Outcome != "" {
		return false
	}
	out.Ruleset = d.Ruleset()
	if !out.findFacts(c) || !out.allow(tokens.CheckBans(out.Snapshot, c, out.Identity, out.Facts.User, d.Now)) {
		return false
	}
	var err error
	out.Grant, err = out.Ruleset.Policy.DeriveWithin(out.Identity, out.Facts, limit)
	if err == nil {
		err = out.Ruleset.Policy.Connect(&out.Grant, out.Identity.Name, c.Connection)
	}
	if err != nil {
		out.deriveFailed(err)
		return false
	}
	if !out.allow(tokens.CheckMQTTClientID(out.Snapshot, c, out.Grant.Account, out.Identity, d.Now)) {
		return false
	}
	out.set(Granted, CodeGranted, "")
	return true
}

func (d *Decision) set(o Outcome, code, cause string) { d.Outcome, d.Code, d.Cause = o, code, cause }

// allow sets the outcome of a refusal, and reports whether there is none.
func (d *Decision) allow(err error) bool {
	if err != nil {
		d.verifyFailed(err)
	}
	return err == nil
}

func (d *Decision) verifyFailed(err error) {
	var reason *tokens.Reason
	var undecided *tokens.UndecidedError
	switch {
	case errors.As(err, &reason):
		d.Identity = reason.Identity
		d.set(Denied, reason.Code, reason.Cause)
	case errors.Is(err, tokens.ErrNotApplicable):
		d.set(Denied, CodeNoCredential, "no recognised credential")
	case errors.Is(err, tokens.ErrRejected):
		d.set(Denied, CodeRejected, err.Error())
	case errors.Is(err, waiting.ErrBusy):
		d.set(Shed, CodeVerifierBusy, err.Error())
	case errors.Is(err, waiting.ErrFailing):
		d.set(Shed, CodeFailing, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		d.set(Shed, CodeTooLate, "the budget ran out while verifying")
	case errors.As(err, &undecided):
		d.set(Unavailable, cmp.Or(undecided.Code, CodeUnavailable), err.Error())
	default:
		d.set(Unavailable, CodeUnavailable, err.Error())
	}
}

func (d *Decision) deriveFailed(err error) {
	switch {
	case errors.Is(err, permissions.ErrNoProfile):
		d.set(Denied, CodeIdentityProfile, err.Error())
	case errors.Is(err, permissions.ErrNoRole):
		d.set(Denied, CodeNoRole, err.Error())
	case errors.Is(err, permissions.ErrNotMember):
		d.set(Denied, CodeNotMember, err.Error())
	case errors.Is(err, permissions.ErrNotInAccount):
		d.set(Denied, CodeNotInAccount, err.Error())
	case errors.Is(err, permissions.ErrAmbiguousAccount):
		d.set(Denied, CodeAmbiguous, err.Error())
	case errors.Is(err, permissions.ErrAmbiguousScope):
		d.set(Denied, CodeAmbiguousScope, err.Error())
	case errors.Is(err, permissions.ErrNotOneToken) && !errors.Is(err, permissions.ErrInvariant):
		d.set(Denied, CodeNotOneToken, err.Error())
	case errors.Is(err, permissions.ErrScopeLimits):
		d.set(Denied, CodeScopeLimits, err.Error())
	case errors.Is(err, permissions.ErrTooLarge):
		d.set(Unavailable, CodeTooLarge, err.Error())
	case errors.Is(err, permissions.ErrLeafNode) && !errors.Is(err, permissions.ErrInvariant):
		d.set(Denied, CodeLeafNode, err.Error())
	case errors.Is(err, permissions.ErrConnectionType) && !errors.Is(err, permissions.ErrInvariant):
		d.set(Denied, CodeConnectionType, err.Error())
	case errors.Is(err, permissions.ErrMQTTClientID):
		d.set(Denied, CodeMQTTClientID, err.Error())
	case errors.Is(err, permissions.ErrUndecided):
		d.set(Unavailable, CodeUnreadable, err.Error())
	case errors.Is(err, permissions.ErrNoAccount):
		d.set(Unavailable, CodeNoAccount, err.Error())
	case errors.Is(err, permissions.ErrInvariant):
		d.set(Unavailable, CodeInvariant, err.Error())
	default:
		d.set(Unavailable, CodeInternal, err.Error())
	}
}
