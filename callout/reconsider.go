package callout

import (
	"context"
	"math"

	"usher/callout/session"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// Reconsider decides what the credential of a session gets now, on snapshot snap, without
// the credential: a key of the directory is looked up again, and any other credential is
// good until its end while its authority is configured. The rest is as in Decide, but a grant
// may be too large for an answer: what it has lost counts all the same. It does no I/O. An adopted session is Unavailable.
func (d *Decider) Reconsider(_ context.Context, s *session.Session, snap *snapshot.Snapshot) Decision {
	c := tokens.Credential{Connection: s.Grant.Connection, Client: s.Client}
	if s.Addr.IsValid() {
		c.Host = s.Addr.String()
	}
	return d.reconsider(s, &c, snap, math.MaxInt)
}

// ReconsiderKept is Reconsider for a session that keeps its account and its signing key,
// although the user has got roles with others: only its own roles count.
func (d *Decider) ReconsiderKept(ctx context.Context, s *session.Session, snap *snapshot.Snapshot) Decision {
	one, kept := *s, *d
	one.Identity.Selection.Account = s.Grant.Account
	one.Identity.Selection.OwnName = false // nobody asks for it by that name
	rules := *d.Ruleset()
	rules.Policy = rules.Policy.OnlyScope(s.Grant.Account, s.Grant.Scope)
	kept.Ruleset = func() *Ruleset { return &rules }
	return kept.Reconsider(ctx, &one, snap)
}

// reconsider is Reconsider for a connection whose address and type are in c, which holds
// nothing that the client presented, and for a server that accepts answers of up to limit
// bytes.
func (d *Decider) reconsider(s *session.Session, c *tokens.Credential, snap *snapshot.Snapshot, limit int) Decision {
	out := Decision{Verifier: s.Verifier, Identity: s.Identity}
	if s.Adopted {
		out.set(Unavailable, CodeAdopted, "no usher knows why this connection was granted")
		return out
	}
	c.SetDigest(s.Digest)
	c.Bind(func() *snapshot.Snapshot { return snap })
	id, err := d.Chain.Recheck(c, s.Verifier, s.Identity, d.Now())
	if err != nil {
		out.verifyFailed(err)
		return out
	}
	out.Identity = id
	if id.Authority != identity.AuthorityUsher {
		out.Snapshot = snap
	}
	if id.Authority != identity.AuthorityDirectory || id.Method == identity.MethodCertificate {
		out.Until = s.Expires
	}
	d.derive(&out, c, limit)
	return out
}
