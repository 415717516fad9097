package rest

import (
	"usher/api/apierror"
	"usher/directory"
	"usher/directory/snapshot"
)

// Show responds with a resource of the snapshot in which the caller was found.
func (r *Request) Show(kind apierror.Kind, view View) (*Response, error) {
	shown, revision, ok := view(r.Snapshot)
	if !ok {
		return nil, apierror.NotFound(kind)
	}
	etag, err := etagOf(revision, shown)
	if err != nil {
		return nil, err
	}
	return &Response{Body: shown, ETag: etag}, nil
}

// Commit changes the directory. kind and view are the resource that changes; view shows it
// as it was before, for If-Match and for the audit. Commit checks the caller's rights in the
// snapshot that f receives, before each call of f. It calls f several times if other writers
// commit first. It returns the snapshot that contains the change.
func (r *Request) Commit(kind apierror.Kind, view View, f func(s *snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	next, err := r.router.cfg.Store.Change(r.Context(), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		r.Written = nil
		if err := r.Reauthorize(s); err != nil {
			return nil, err
		}
		if err := r.checkBefore(kind, view, s); err != nil {
			return nil, err
		}
		entries, err := f(s)
		r.Written = entries
		if err == nil {
			err = r.keepsServiceAdmin(s, entries)
		}
		if err == nil {
			err = r.harmsNoUser(s, entries)
		}
		return entries, err
	})
	if err != nil {
		return nil, err
	}
	r.Change.Revision = next.Latest()
	return next, nil
}

// checkBefore checks If-Match, and keeps for the audit what the resource was.
func (r *Request) checkBefore(kind apierror.Kind, view View, s *snapshot.Snapshot) error {
	r.Change.Before = nil
	shown, revision, exists := view(s)
	if !exists {
		return r.checkIfMatch(kind, "", false)
	}
	current, err := etagOf(revision, shown)
	if err != nil {
		return err
	}
	if r.Change.Before, err = auditJSON(shown); err != nil {
		return err
	}
	return r.checkIfMatch(kind, current, true)
}

// AuditBefore keeps for the audit what there was before a change of something else than the
// directory.
func (r *Request) AuditBefore(v any) (err error) {
	r.Change.Before, err = auditJSON(v)
	return err
}

// AuditAfter keeps for the audit what such a change has made of it.
func (r *Request) AuditAfter(v any) (err error) {
	r.Change.After, err = auditJSON(v)
	return err
}

// ShowCommitted responds with a resource as this request has changed it, and keeps it for
// the audit. next is what Commit returned. If somebody else has changed the resource
// again, the response has no ETag, since the directory never contained it in this form.
// It is sent even if somebody else has removed the resource: it may contain a new key.
func (r *Request) ShowCommitted(next *snapshot.Snapshot, view View) (*Response, error) {
	own, _, _ := r.Snapshot.Apply(r.Written)
	shown, _, _ := view(own)
	response := &Response{Body: shown}
	if now, revision, ok := view(next); ok {
		etag, err := etagOf(revision, shown)
		if err != nil {
			return nil, err
		}
		current, err := etagOf(revision, now)
		if err != nil {
			return nil, err
		}
		if etag == current {
			response.ETag = etag
		}
	}
	var err error
	r.Change.After, err = auditJSON(shown)
	return response, err
}
