package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"usher/api/apierror"
	"usher/callout/ratelimit"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/apikey"
)

// HeaderKey is the header that contains the key.
const HeaderKey = "x-api-key"

// QueryKey is the query parameter that contains the key, where the configuration allows it.
const QueryKey = "key"

// presentedKey returns the key of a request. If both places are allowed, a header that
// is not empty takes precedence.
func (r *Request) presentedKey() string {
	if r.router.cfg.KeyIn != KeyInQuery {
		if key := r.HTTP.Header.Get(HeaderKey); key != "" {
			return key
		}
	}
	if r.router.cfg.KeyIn != KeyInHeader {
		return r.Query(QueryKey)
	}
	return ""
}

// Authenticator verifies what a request presents in place of an API key, as far as that
// does not depend on the directory: it may wait for another system.
type Authenticator func(r *Request) (Verification, error)

// Verification returns whose request it is in a snapshot; nil: no directory is loaded. An
// error is one of package apierror, or of a tokens.Verifier.
type Verification func(s *snapshot.Snapshot) (identity.Identity, error)

// authenticate finds the caller. A valid credential is always accepted: the limit on
// failures only changes the answer to an invalid one.
func (r *Request) authenticate() error {
	r.verify, r.service = r.verifyKey, r.router.findServiceToken(r.key)
	var err error
	if r.Route.Authenticate != nil {
		r.verify, err = r.Route.Authenticate(r)
	} else if r.key == "" {
		return apierror.Unauthorized().WithDetails(noKey(r.router.cfg.KeyIn))
	}
	if err == nil {
		r.Snapshot = r.router.cfg.Store.Snapshot()
		err = r.find(r.Snapshot)
	}
	if err == nil {
		return nil
	}
	var reason *tokens.Reason
	if errors.As(err, &reason) && reason.Identity.Name != "" {
		r.Change.Actor, r.Change.ActorKeyID = reason.Identity.Name, reason.Identity.KeyID
	}
	// A key that cannot be verified now counts too: otherwise a client could guess keys
	// without a limit while the directory is unreadable.
	return r.CountFailure(authError(err))
}

// noKey says where a request has its key.
func noKey(in KeyIn) string {
	return "the request has no key: send it " + map[KeyIn]string{
		KeyInHeader: "in the header x-api-key", KeyInQuery: "as ?key=", KeyInBoth: "in the header x-api-key, or as ?key=",
	}[in]
}

// CountFailure counts what the client presented as refused. It returns the error, or one that
// says that the client's host has had too many of them.
func (r *Request) CountFailure(e *apierror.Error) *apierror.Error {
	r.refused = true
	return r.limit(r.router.failedKeys, ratelimit.HostSource(r.host), e, "Too many failed attempts from this address")
}

// find finds the caller in a snapshot.
func (r *Request) find(s *snapshot.Snapshot) error {
	if r.service != nil && r.Route.Authenticate == nil {
		return r.findService(s)
	}
	id, err := r.verify(s)
	if err != nil {
		return err
	}
	caller, _ := s.User(id.Name)
	if err := tokens.CheckBans(s, &tokens.Credential{}, id, caller, r.router.cfg.Now); err != nil {
		return err
	}
	r.Identity, r.Snapshot, r.Caller = id, s, caller
	return nil
}

// limit counts a failure of a source. It returns the error, or one with message if the
// source has had too many.
func (r *Request) limit(failures *ratelimit.Failures, source string, e *apierror.Error, message string) *apierror.Error {
	attempt := failures.Attempt(source, "")
	if !failures.HostExhausted(attempt) {
		failures.Record(attempt)
		return e
	}
	r.RateLimited = true
	return apierror.TooManyRequests(message, time.Duration(r.router.retryFailed*float64(time.Second)))
}

// authError is the response to a credential that is invalid, or that cannot be verified now.
func authError(err error) *apierror.Error {
	var e *apierror.Error
	switch {
	case errors.As(err, &e):
		return e
	case !errors.Is(err, tokens.ErrRejected):
		return apierror.Unavailable(err)
	default:
		return apierror.Unauthorized().WithCause(err)
	}
}

// verifyKey returns whose key it is, by the rules that hold for connections to NATS.
func (r *Request) verifyKey(s *snapshot.Snapshot) (identity.Identity, error) {
	v := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, r.router.cfg.Now)
	id, _, err := tokens.Chain{v}.Verify(r.Context(), &tokens.Credential{AuthToken: r.key, Host: r.host}, nil)
	return id, err
}

// authorize checks that a user may call the route. Only a valid key learns that a
// project does not exist.
func (r *Request) authorize(s *snapshot.Snapshot, user *directory.User) error {
	var roles []directory.Role
	if len(r.Route.Access.Project) > 0 {
		project := r.vars[VarProject]
		if _, ok := s.Project(project); !ok {
			if r.Route.ProjectMayMiss && isServiceAdmin(user) {
				return nil
			}
			return apierror.NotFound(apierror.Project)
		}
		m, _ := s.Member(project, user.Name)
		roles = m.Roles
	}
	if !r.Route.Access.Permits(user.ServiceRoles, roles) {
		return apierror.Forbidden().WithCause(r.Route.Access.missing(user.Name, r.vars[VarProject]))
	}
	return nil
}

// limitForbidden counts a request that a handler refuses to its caller, if nothing else bounds
// how many of them log and audit show.
func (r *Request) limitForbidden(err error) error {
	if err == nil || r.Route.Changes() || r.Caller == nil {
		return err
	}
	if e := apierror.From(err); e.Code == http.StatusForbidden {
		return r.limit(r.router.notAllowed, r.Caller.ID.String(), e, refusedOften)
	}
	return err
}

// NotInACL refuses a request for a topic or a subscription whose ACL does not name the caller.
func (r *Request) NotInACL() *apierror.Error {
	return apierror.Forbidden().WithCause(fmt.Errorf("user %s is not in the ACL of %s", r.Caller.Name, r.resource()))
}

const refusedOften = "Too many requests that are refused to this user"

// Reauthorize checks the caller again in a newer snapshot, such as the one that a change
// is made on: the credential must still be valid, and the roles must still permit the request.
func (r *Request) Reauthorize(s *snapshot.Snapshot) error {
	if s == r.Snapshot {
		return nil
	}
	if err := r.find(s); err != nil {
		return authError(err)
	}
	return r.authorize(s, r.Caller)
}

// IgnoresACLs reports whether the caller may use the route for everything in the project: it
// has a role that permits the route and is not bound to ACLs, as publisher and consumer are.
func (r *Request) IgnoresACLs() bool {
	m, _ := r.Snapshot.Member(r.vars[VarProject], r.Caller.Name)
	return r.ByServiceRole() || m.Has(directory.RoleProjectAdmin)
}

// ByServiceRole reports whether a service role of the caller permits the route: then it holds
// for every project.
func (r *Request) ByServiceRole() bool {
	return overlap(r.Route.Access.Service, r.Caller.ServiceRoles)
}

// HasServiceRole reports whether the caller has a service role.
func (r *Request) HasServiceRole(role directory.ServiceRole) bool {
	return slices.Contains(r.Caller.ServiceRoles, role)
}

// IsServiceAdmin reports whether the caller may do everything.
func (r *Request) IsServiceAdmin() bool { return isServiceAdmin(r.Caller) }

func isServiceAdmin(u *directory.User) bool {
	return slices.Contains(u.ServiceRoles, directory.ServiceRoleAdmin)
}
