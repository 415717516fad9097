package snapshot

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/hashtable"
)

// userEntry is a user with everything that a request needs to know about it.
type userEntry struct {
	owner    *hashtable.Owner
	id       uuid.UUID
	exists   bool // the entry of the user itself has arrived
	hasName  bool // and the user's name is not that of another user
	ownsUser bool // user is a copy of the draft's own, so the draft may change it
	user     *directory.User
	access   []projectAccess // sorted by project
}

// projectAccess is what a user has in one project.
type projectAccess struct {
	project  uuid.UUID
	roles    *[]directory.Role // nil: the user is not a member
	revision uint64
	topics   []*directory.Topic // whose ACL names the user, even if it is not a member
	subs     []*directory.Subscription
	lengths  accessLengths
}

// accessLengths are the total lengths of the texts that topics and subs add to a grant.
// They are kept up to date with the lists.
type accessLengths struct{ topics, subs uint32 }

// mutableUser returns the user. The draft may change it.
func (e *userEntry) mutableUser() *directory.User {
	if !e.ownsUser {
		u := *e.user
		u.Keys = slices.Clone(u.Keys)
		e.user, e.ownsUser = &u, true
	}
	return e.user
}

func (e *userEntry) keyOf(d *directory.Digest) *directory.Key {
	for i := range e.user.Keys {
		if e.user.Keys[i].Digest == *d {
			return &e.user.Keys[i]
		}
	}
	return nil
}

func (e *userEntry) accessIn(project uuid.UUID) (i int, found bool) {
	return slices.BinarySearchFunc(e.access, project, func(p projectAccess, id uuid.UUID) int { return bytes.Compare(p.project[:], id[:]) })
}

func (e *userEntry) isMember(project uuid.UUID) bool {
	i, ok := e.accessIn(project)
	return ok && e.access[i].roles != nil
}

// mutableAccess returns the user's access to a project. The draft may change it.
func (e *userEntry) mutableAccess(project uuid.UUID) *projectAccess {
	i, ok := e.accessIn(project)
	if !ok {
		e.access = slices.Insert(e.access, i, projectAccess{project: project})
	}
	return &e.access[i]
}

// removeEmptyAccess removes the user's access to a project if there is nothing in it.
func (e *userEntry) removeEmptyAccess(project uuid.UUID) {
	if i, ok := e.accessIn(project); ok {
		if a := &e.access[i]; a.roles == nil && len(a.topics) == 0 && len(a.subs) == 0 {
			e.access = slices.Delete(e.access, i, i+1)
		}
	}
}
