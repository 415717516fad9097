// Package explanation tells what a credential, or a user of the directory, may do and
// why, for "usher explain" and the management API.
//
// It promises that its result is that of a live request: it uses the same Decider, and
// the keyring that would sign. It never issues anything, and an Explanation has no field
// for a secret.
package explanation

import (
	"context"
	"slices"
	"time"

	"usher/callout"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/secret"
	"usher/issuer"
	"usher/permissions"
	"usher/tokens"
)

// Inputs holds what an explanation is computed from.
type Inputs struct {
	Decider       *callout.Decider
	Keyring       func() *issuer.Keyring
	MaxLifetime   time.Duration // user_jwt.max_lifetime; zero: unlimited
	RenewalMargin time.Duration // user_jwt.renewal_margin
	Now           func() time.Time
	MaxPayload    int // of the servers, in bytes; zero: unknown, so the limit is permissions.MaxAnswer
}

// limit returns the maximum size of an answer, in bytes.
func (in *Inputs) limit() int {
	if in.MaxPayload > 0 {
		return min(in.MaxPayload, permissions.MaxAnswer)
	}
	return permissions.MaxAnswer
}

// Explanation is the output of "usher explain". Its JSON format is stable.
type Explanation struct {
	Outcome  callout.Outcome `json:"outcome"`
	Code     string          `json:"code"` // of callout.Codes
	Cause    string          `json:"cause,omitempty"`
	Verifier string          `json:"verifier,omitempty"`
	Identity *Identity       `json:"identity,omitempty"` // nil: unknown
	Profile  string          `json:"profile,omitempty"`  // of usher.yaml, which a rule gives
	Rules    []Rule          `json:"rules,omitempty"`    // of identities, for an identity that is not of the directory
	Roles    []Role          `json:"roles,omitempty"`
	selected string          // the selection, such as "project=lab"; may be empty
	Grant    *Grant          `json:"grant,omitempty"` // nil: not granted
	Size     *Size           `json:"size,omitempty"`  // nil: there is nothing to grant
	Answers  []Answer        `json:"asked,omitempty"`

	// NoKey is the reason why no client can connect as this user now, whatever the
	// grant. Empty: one of the user's keys is usable, at least from some networks.
	NoKey string `json:"no_key,omitempty"`
}

// Size is the size of the answer.
type Size struct {
	Bytes int `json:"bytes"` // upper bound (permissions.Policy.Size)
	Limit int `json:"limit"` // of an answer: max_payload, or the limit of a JWT
}

// Identity is the verified identity.
type Identity struct {
	Name      string     `json:"name,omitempty"` // empty: no rule of identities names it
	ID        string     `json:"id,omitempty"`   // what the authority calls it; empty for users of the directory
	Authority string     `json:"authority"`
	Method    string     `json:"method"`
	KeyID     string     `json:"key_id,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
	Facts     []Fact     `json:"facts,omitempty"` // attributes that the rules of identities use
}

// Grant is what the identity gets.
type Grant struct {
	Account         string                     `json:"account"`
	Scope           string                     `json:"scope,omitempty"`        // its template has the permissions; Rules is empty
	InboxPrefix     string                     `json:"inbox_prefix,omitempty"` // empty: the profile states its subjects
	Ends            *time.Time                 `json:"ends,omitempty"`
	EndsBecause     string                     `json:"ends_because"`
	Networks        []string                   `json:"networks,omitempty"`
	ConnectionTypes []directory.ConnectionType `json:"connection_types,omitempty"`
	Tags            []string                   `json:"tags"`
	Rules           []permissions.Rule         `json:"rules"`
}

// maxCause bounds the length of a cause, in bytes.
const maxCause = 1024

// ForCredential explains the decision about a credential.
func ForCredential(ctx context.Context, in Inputs, c *tokens.Credential, questions ...Question) *Explanation {
	d := in.Decider.DecideWithin(ctx, c, in.limit())
	filter := c.Filter() // cause and selection may contain text of the client
	d.Cause = filter.Text(d.Cause, maxCause)
	x := in.explain(d, questions)
	x.selected = filter.Text(x.selected, maxCause)
	x.filterMapping(filter)
	return x
}

// ForIdentity explains the decision about a verified identity, as ForCredential does
// after its verifier returned the identity.
func ForIdentity(in Inputs, id identity.Identity, questions ...Question) *Explanation {
	x := in.explain(in.Decider.DecideIdentity(in.Decider.Snapshot(), id, in.limit()), questions)
	x.filterMapping(secret.Filter{})
	return x
}

// ForUser explains what a key of the user would get with selection sel, also if the user
// has none. The result lacks what depends on the key: its id, its end and its networks.
// No verifier is asked, so Verifier is empty. NoKey tells whether the user has a usable
// key.
func ForUser(in Inputs, user string, sel identity.Selection, questions ...Question) *Explanation {
	s := in.Decider.Snapshot()
	x := in.explain(in.Decider.DecideIdentity(s, identity.Identity{
		Name: user, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, Selection: sel,
	}, in.limit()), questions)
	x.NoKey = in.noKey(s, user)
	return x
}

// noKey returns the reason why a user has no usable key, or an empty string.
func (in *Inputs) noKey(s *snapshot.Snapshot, user string) string {
	now := in.Now()
	if s == nil {
		return ""
	}
	u, ok := s.User(user)
	switch {
	case !ok:
		return ""
	case !slices.ContainsFunc(u.Keys, connects):
		return "the user has no key"
	case slices.ContainsFunc(u.Keys, func(k directory.Key) bool {
		return connects(k) && !k.Disabled && !k.NotBefore.After(now) && (k.Expires.IsZero() || k.Expires.After(now))
	}):
		return ""
	default:
		return "the user has no usable key: each is expired, disabled or not yet valid"
	}
}

// connects reports whether a client can connect with such a key. A binding only gives an
// API key.
func connects(k directory.Key) bool { return k.Kind() != directory.KeyBinding }

func (in *Inputs) explain(d callout.Decision, questions []Question) *Explanation {
	in.checkSigningKey(&d)
	x := &Explanation{Outcome: d.Outcome, Code: d.Code, Cause: d.Cause, Verifier: d.Verifier, Profile: d.Facts.Profile}
	x.Identity = identityOf(&d.Identity)
	if d.Snapshot != nil && isMapped(&d.Identity) { // otherwise its verifier denied it, and no rule was asked
		x.explainMapping(in.ruleset(&d).Rules, &d.Identity)
	}
	x.Roles, x.selected = rolesOf(in.ruleset(&d).Policy, &d), d.Identity.Selection.String()
	if d.Outcome == callout.Granted || d.Code == callout.CodeTooLarge {
		if n, err := in.ruleset(&d).Policy.Size(d.Identity, d.Facts); err == nil {
			x.Size = &Size{Bytes: n, Limit: in.limit()}
		}
	}
	if d.Outcome != callout.Granted {
		return x
	}
	d.Grant.Rules = withOrigins(&d)
	x.Grant = grantOf(&d.Grant, &d.Identity)
	x.Grant.Ends, x.Grant.EndsBecause = in.ends(d.Grant.NotAfter)
	for _, q := range questions {
		x.Answers = append(x.Answers, q.answer(&d.Grant))
	}
	return x
}

// identityOf describes an identity; nil: it is not known.
func identityOf(id *identity.Identity) *Identity {
	if id.Name == "" && id.ID == "" {
		return nil
	}
	out := &Identity{Name: id.Name, ID: id.ID, Authority: string(id.Authority), Method: string(id.Method), KeyID: id.KeyID}
	if end := id.NotAfter; !end.IsZero() {
		out.NotAfter = &end
	}
	return out
}

// grantOf describes the grant of an identity, but for its end.
func grantOf(g *permissions.Grant, id *identity.Identity) *Grant {
	out := &Grant{
		Account: g.Account, Scope: g.Scope, InboxPrefix: g.InboxPrefix,
		ConnectionTypes: g.ConnectionTypes, Tags: g.Tags, Rules: g.Rules,
	}
	for _, n := range id.Networks { // a grant with a scope has none
		out.Networks = append(out.Networks, n.String())
	}
	return out
}

// ruleset returns what a decision went by; what is in use, if it did not come so far.
func (in *Inputs) ruleset(d *callout.Decision) *callout.Ruleset {
	if d.Ruleset == nil {
		return in.Decider.Ruleset()
	}
	return d.Ruleset
}

// checkSigningKey makes a granted decision unavailable if the keyring has no key to sign
// it.
func (in *Inputs) checkSigningKey(d *callout.Decision) {
	keys, place := in.Keyring(), issuer.Place{Account: d.Grant.Account, Scope: d.Grant.Scope}
	own, _ := keys.Account(in.ruleset(d).Policy.CalloutAccount)
	signers, ok := keys.For(own.PublicKey)
	if d.Outcome == callout.Granted && ok && !signers.Has(place) {
		d.Outcome, d.Code = callout.Unavailable, callout.CodeNoSigningKey
		d.Cause = issuer.ErrNoSigningKey.Error() + " for " + place.String()
	}
}

// ends returns the latest end of a connection that is made now, and the reason. end is
// the end of the credential. It follows issuer.Issuer.Expiry, without jitter.
func (in *Inputs) ends(end time.Time) (latest *time.Time, because string) {
	now, because := in.Now(), "the credential expires"
	if early := end.Add(-in.RenewalMargin); in.RenewalMargin > 0 && !end.IsZero() && early.Unix() > now.Unix() {
		end, because = early, "user_jwt.renewal_margin before the credential expires"
	}
	switch {
	case !end.IsZero() && (in.MaxLifetime <= 0 || end.Before(now.Add(in.MaxLifetime))):
		return &end, because
	case in.MaxLifetime > 0:
		end := now.Add(in.MaxLifetime)
		return &end, "user_jwt.max_lifetime minus random jitter (user_jwt.jitter)"
	default:
		return nil, "neither the credential nor user_jwt.max_lifetime ends it"
	}
}
