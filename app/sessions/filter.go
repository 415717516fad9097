package sessions

import (
	"net/netip"
	"slices"
	"time"

	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
)

// Filter selects sessions. A field with its zero value selects all; a session has to fulfil
// every other field.
type Filter struct {
	User         string             // name of the user
	Key          string             // key id of the credential
	Digest       [32]byte           // digest of the credential
	Authority    identity.Authority // who vouches for the identity
	Method       identity.Method
	IdentityID   string // what the authority calls the principal, such as the sub of a JWT
	Rule         string // name of a rule of identities that matched
	Project      string // the grant has roles in it, or it was selected
	Account      string // NATS account
	Subject      string // the client may publish or subscribe to something that Subject, a subject or a pattern, matches
	Server       string // id or name of the server
	From         netip.Prefix
	MQTTClientID string
	Instance     string    // the usher that granted it
	Since        time.Time // it was granted then or later
	EndsBy       time.Time // it has an end, which is then or earlier
}

// IsZero reports whether f selects all sessions.
func (f *Filter) IsZero() bool { return *f == Filter{} }

// Match reports whether f selects s. A grant whose permissions are in the template of a
// scoped signing key has no subjects that usher knows.
func (f *Filter) Match(s *session.Session) bool {
	return f.matchIdentity(s) && f.matchGrant(&s.Grant, s) && f.matchConnection(s)
}

func (f *Filter) matchIdentity(s *session.Session) bool {
	id := &s.Identity
	return either(f.User, id.Name) && either(f.Key, id.KeyID) && either(f.Digest, s.Digest) &&
		either(f.Authority, id.Authority) && either(f.Method, id.Method) && either(f.IdentityID, id.ID) &&
		(f.Rule == "" || slices.Contains(s.Rules, f.Rule))
}

func (f *Filter) matchGrant(g *permissions.Grant, s *session.Session) bool {
	return either(f.Account, g.Account) &&
		(f.Project == "" || s.Identity.Selection.Project == f.Project || slices.Contains(g.Tags, projectTag+f.Project)) &&
		(f.Subject == "" || concerns(g, f.Subject))
}

func (f *Filter) matchConnection(s *session.Session) bool {
	return (f.Server == "" || f.Server == s.Server || f.Server == s.ServerName) &&
		(!f.From.IsValid() || f.From.Contains(s.Addr.Unmap().WithZone(""))) &&
		either(f.MQTTClientID, s.Grant.Connection.MQTTClientID) && either(f.Instance, s.Instance) &&
		(f.Since.IsZero() || !s.Started.Before(f.Since)) &&
		f.matchEnd(s)
}

func (f *Filter) matchEnd(s *session.Session) bool {
	end := s.Ends()
	return f.EndsBy.IsZero() || !end.IsZero() && !end.After(f.EndsBy)
}

// either reports whether a field of a filter is zero or equal to that of the session.
func either[T comparable](wanted, have T) bool {
	var zero T
	return wanted == zero || wanted == have
}

// concerns reports whether an allowance of g and pattern have a subject in common that no
// single denial takes away.
func concerns(g *permissions.Grant, pattern string) bool {
	return slices.ContainsFunc(g.Rules, func(allow permissions.Rule) bool {
		return allow.Effect == permissions.Allow && permissions.Overlaps(allow.Subject, pattern) &&
			!slices.ContainsFunc(g.Rules, func(deny permissions.Rule) bool {
				return deny.Effect == permissions.Deny && deny.Side == allow.Side &&
					(permissions.Covers(deny.Subject, pattern) || permissions.Covers(deny.Subject, allow.Subject))
			})
	})
}
