package rest

import (
	"crypto/subtle"

	"usher/api/apierror"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// ServiceToken is a key of the API that belongs to a service, and to no user of the
// directory. It is good for nothing but the API.
type ServiceToken struct {
	Name   string // of the service; log and audit have it after ServicePrefix
	Role   directory.ServiceRole
	Digest directory.Digest // of the token
}

// ServicePrefix is before the name of a service where a user's name would be. No user has a
// name with a colon.
const ServicePrefix = "service:"

// caller returns the service as a user, which has no key, no project and no entry in the
// directory.
func (t *ServiceToken) caller() *directory.User {
	name := ServicePrefix + t.Name
	return &directory.User{
		ID: directory.IDOf(directory.KindUser, name), Name: name, ServiceRoles: []directory.ServiceRole{t.Role},
	}
}

// findServiceToken returns the service token that a key is; nil: it is none. Its time tells
// neither which token it is nor how much of a token a key has right.
func (rt *Router) findServiceToken(key string) *ServiceToken {
	if key == "" || len(rt.cfg.ServiceTokens) == 0 {
		return nil
	}
	digest := directory.DigestOf(key)
	found := -1
	for i := range rt.cfg.ServiceTokens {
		same := subtle.ConstantTimeCompare(digest[:], rt.cfg.ServiceTokens[i].Digest[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return nil
	}
	return &rt.cfg.ServiceTokens[found]
}

// findService makes the service of a service token the caller. Bans of addresses hold for it
// too.
func (r *Request) findService(s *snapshot.Snapshot) error {
	if s == nil {
		return apierror.Unavailable(nil)
	}
	caller := r.service.caller()
	id := identity.Identity{Name: caller.Name, Authority: identity.AuthorityUsher, Method: identity.MethodAPIKey}
	if err := tokens.CheckBans(s, &tokens.Credential{AuthToken: r.key, Host: r.host}, id, nil, r.router.cfg.Now); err != nil {
		return err
	}
	r.Identity, r.Snapshot, r.Caller = id, s, caller
	return nil
}

// Service returns the service that calls with a service token.
func (r *Request) Service() (t ServiceToken, ok bool) {
	if r.service == nil {
		return ServiceToken{}, false
	}
	return *r.service, true
}
