package rest

import (
	"usher/directory/kv"
)

// setAuthor tells the store on whose behalf the request changes the directory: an
// administrator of a project uses that project's share of the bucket, a service_admin
// uses none. The store asks again at each attempt, because the caller's roles may change.
func (r *Request) setAuthor() {
	if r.Caller == nil {
		return
	}
	r.HTTP = r.HTTP.WithContext(kv.ByCurrentAuthor(r.Context(), func() kv.Author {
		author := kv.Author{User: r.Caller.ID}
		if p, ok := r.Snapshot.Project(r.vars[VarProject]); ok && !r.IsServiceAdmin() {
			author.Project = p.ID
		}
		return author
	}))
}
