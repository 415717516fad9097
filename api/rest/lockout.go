package rest

import (
	"usher/api/apierror"
	"usher/directory"
	"usher/directory/lockout"
	"usher/directory/snapshot"
)

// keepsServiceAdmin refuses a change after which no service_admin could authenticate:
// nobody could undo it over this API.
func (r *Request) keepsServiceAdmin(s *snapshot.Snapshot, entries []directory.Entry) error {
	if !lockout.By(s, entries, r.arrived) {
		return nil
	}
	return apierror.Conflict("No other service_admin has a key that does not expire").
		WithDetails("first create another service_admin, or another key of this one that neither expires nor is bound to networks")
}
