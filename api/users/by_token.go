package users

import (
	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// showUserByToken returns the user of an API key. A service with a service token that asks for
// itself gets what the service may do, as if it were a user.
func showUserByToken(r *rest.Request) (*rest.Response, error) {
	digest := directory.DigestOf(r.Var(rest.VarToken))
	if service, ok := r.Service(); ok && service.Digest == digest {
		return r.Show(apierror.User, func(*snapshot.Snapshot) (any, uint64, bool) { return serviceOf(r), 1, true })
	}
	rec, ok := r.Snapshot.LookupKey(digest)
	if !ok || rec.Key.Kind() != directory.KeyAPI {
		return nil, apierror.NotFound(apierror.User).WithDetails("no user has this key")
	}
	return r.Show(apierror.User, userView(&rec.User.Name))
}

// serviceOf shows a service as a user that is in no project.
func serviceOf(r *rest.Request) wire.User {
	return wire.User{
		UUID: r.Caller.ID.String(), Name: r.Caller.Name, Projects: []wire.UserProject{},
		ServiceRoles: rest.Strings(r.Caller.ServiceRoles), Enabled: true,
	}
}
