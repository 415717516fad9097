package projects

import (
	"usher/api/apierror"
	"usher/api/rest"
	"usher/directory"
)

// maxResources is how many topics and subscriptions an administrator of a project can
// give it. A service_admin can add more.
const maxResources = 10_000

// checkResourceQuota checks that the caller may give a project another topic or
// subscription.
func checkResourceQuota(r *rest.Request, p *directory.Project) error {
	if r.IsServiceAdmin() || len(p.Topics)+len(p.Subscriptions) < maxResources {
		return nil
	}
	return apierror.QuotaReached("%d topics and subscriptions", maxResources)
}

// visibleByACL reports whether the caller sees only what the ACLs of the project allow,
// and returns the membership that lists it.
func visibleByACL(r *rest.Request) (m directory.Membership, restricted bool) {
	m, _ = r.Snapshot.Member(r.Var(rest.VarProject), r.Caller.Name)
	return m, !r.IgnoresACLs()
}
