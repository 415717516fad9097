// Package explanation says what a credential, or a user of the directory, may do
// and why, for "usher explain" and the management API.
//
// It promises that it decides in no way of its own: what it says comes from the
// Decider that live requests go through, and from the keyring that would sign.
// It never issues anything, and has no place where a secret could stand.
package explanation

import (
	"context"
	"slices"
	"time"

	"usher/callout"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/issuer"
	"usher/permissions"
	"usher/tokens"
)

// Inputs are what an explanation is made from.
type Inputs struct {
	Decider     *callout.Decider
	Keyring     func() *issuer.Keyring
	MaxLifetime time.Duration // user_jwt.max_lifetime; zero: connections do not end by it
	MaxPayload  int           // of the servers; zero: not known, and no answer is larger than a JWT may be
}

// limit returns how large an answer may be.
func (in *Inputs) limit() int {
	if in.MaxPayload > 0 {
		return min(in.MaxPayload, permissions.MaxAnswer)
	}
	return permissions.MaxAnswer
}

// Explanation is what "usher explain" prints. Its JSON form is stable.
type Explanation struct {
	Outcome  callout.Outcome `json:"outcome"`
	Code     string          `json:"code"` // of callout.Codes
	Cause    string          `json:"cause,omitempty"`
	Verifier string          `json:"verifier,omitempty"`
	Identity *Identity       `json:"identity,omitempty"` // none: it is not known
	Roles    []Role          `json:"roles,omitempty"`
	selected string          // "project=lab"; empty: nothing
	Grant    *Grant          `json:"grant,omitempty"` // none: not granted
	Size     *Size           `json:"size,omitempty"`  // none: there is nothing to grant
	Asked    []Answer        `json:"asked,omitempty"`

	// NoKey says of a user why nobody can connect as it now, whatever it would be
	// granted. Empty: one of its keys works, at least from somewhere.
	NoKey string `json:"no_key,omitempty"`
}

// Size is how large the answer is that lets somebody in.
type Size struct {
	Bytes int `json:"bytes"` // at most, and not much less
	Limit int `json:"limit"` // a larger one is not sent: max_payload, or what a JWT may have
}

// Identity is who it turned out to be.
type Identity struct {
	Name      string     `json:"name"`
	Authority string     `json:"authority"`
	Method    string     `json:"method"`
	KeyID     string     `json:"key_id,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
}

// Grant is what it gets.
type Grant struct {
	Account         string                     `json:"account"`
	Scope           string                     `json:"scope,omitempty"` // its template gives the permissions; rules is empty
	InboxPrefix     string                     `json:"inbox_prefix"`
	Ends            *time.Time                 `json:"ends,omitempty"`
	EndsBecause     string                     `json:"ends_because"`
	Networks        []string                   `json:"networks,omitempty"`
	ConnectionTypes []directory.ConnectionType `json:"connection_types,omitempty"`
	Tags            []string                   `json:"tags"`
	Rules           []permissions.Rule         `json:"rules"`
}

// maxCause bounds what is said of a cause, in bytes.
const maxCause = 1024

// Of explains what becomes of a credential.
func Of(ctx context.Context, in Inputs, c *tokens.Credential, asked ...Question) *Explanation {
	d := in.Decider.DecideWithin(ctx, c, in.limit())
	filter := c.Filter() // cause and roles can say what the client asked for
	d.Cause = filter.Text(d.Cause, maxCause)
	x := in.explain(d, asked)
	x.selected = filter.Text(x.selected, maxCause)
	return x
}

// ForUser explains what any key of a user gets: a user without a key too, and
// without what is a key's own, which are its id, its end and its networks. sel is
// what the client would ask to be bound to. No verifier is asked, so none is named.
// Whether the user has a key that works is said in NoKey.
func ForUser(in Inputs, user string, sel identity.Selection, asked ...Question) *Explanation {
	s := in.Decider.Snapshot()
	x := in.explain(in.Decider.DecideIdentity(s, identity.Identity{
		Name: user, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, Selection: sel,
	}, in.limit()), asked)
	x.NoKey = in.noKey(s, user)
	return x
}

// noKey says why no key of a user works now, if that is so.
func (in *Inputs) noKey(s *snapshot.Snapshot, user string) string {
	now := in.Decider.Now()
	if s == nil {
		return ""
	}
	u, ok := s.User(user)
	switch {
	case !ok:
		return ""
	case len(u.Keys) == 0:
		return "the user has no key"
	case slices.ContainsFunc(u.Keys, func(k directory.Key) bool {
		return !k.Disabled && !k.NotBefore.After(now) && (k.Expires.IsZero() || k.Expires.After(now))
	}):
		return ""
	default:
		return "no key of the user works now: each has expired, is disabled, or is not valid yet"
	}
}

func (in *Inputs) explain(d callout.Decision, asked []Question) *Explanation {
	in.signable(&d)
	x := &Explanation{Outcome: d.Outcome, Code: d.Code, Cause: d.Cause, Verifier: d.Verifier}
	if d.Identity.Name != "" {
		x.Identity = &Identity{
			Name: d.Identity.Name, Authority: string(d.Identity.Authority),
			Method: string(d.Identity.Method), KeyID: d.Identity.KeyID,
		}
		if end := d.Identity.NotAfter; !end.IsZero() {
			x.Identity.NotAfter = &end
		}
	}
	x.Roles, x.selected = rolesOf(in.Decider.Policy, &d), selected(d.Identity.Selection)
	if d.Outcome == callout.Granted || d.Code == callout.CodeTooLarge {
		if n, err := in.Decider.Policy.Size(d.Identity, d.Facts); err == nil {
			x.Size = &Size{Bytes: n, Limit: in.limit()}
		}
	}
	if d.Outcome != callout.Granted {
		return x
	}
	g := &d.Grant
	x.Grant = &Grant{
		Account: g.Account, Scope: g.Scope, InboxPrefix: g.InboxPrefix,
		ConnectionTypes: g.ConnectionTypes, Tags: g.Tags, Rules: append([]permissions.Rule{}, g.Rules...),
	}
	x.Grant.Ends, x.Grant.EndsBecause = ends(g.NotAfter, in.MaxLifetime, in.Decider.Now())
	for _, n := range d.Identity.Networks { // a grant of a scope does not state them
		x.Grant.Networks = append(x.Grant.Networks, n.String())
	}
	for _, q := range asked {
		x.Asked = append(x.Asked, q.answer(g))
	}
	return x
}

// signable makes of a grant that no key signs what becomes of it: no answer.
func (in *Inputs) signable(d *callout.Decision) {
	keys, place := in.Keyring(), issuer.Place{Account: d.Grant.Account, Scope: d.Grant.Scope}
	own, _ := keys.Account(in.Decider.Policy.CalloutAccount)
	signers, ok := keys.For(own.PublicKey)
	if d.Outcome == callout.Granted && ok && !signers.Has(place) {
		d.Outcome, d.Code = callout.Unavailable, callout.CodeNoSigningKey
		d.Cause = issuer.ErrNoSigningKey.Error() + " for " + place.String()
	}
}

// ends says when a connection made at now would end whose credential ends at end.
func ends(end time.Time, limit time.Duration, now time.Time) (latest *time.Time, because string) {
	switch {
	case !end.IsZero() && (limit <= 0 || end.Before(now.Add(limit))):
		return &end, "the credential ends then"
	case limit > 0:
		end := now.Add(limit)
		return &end, "user_jwt.max_lifetime, less a random part of it (user_jwt.jitter)"
	default:
		return nil, "neither the credential nor user_jwt.max_lifetime ends it"
	}
}
