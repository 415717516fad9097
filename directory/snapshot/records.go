package snapshot

import (
	"bytes"
	"slices"
	"strings"
	"usher/directory"
	"usher/directory/hashtable"

	"github.com/google/uuid"
)

// userEntry is a user with all that a request needs of it.
type userEntry struct {
	owner  *hashtable.Owner
	id     uuid.UUID
	there  bool // the entry of the user itself has come
	named  bool // and the name is this user's
	owns   bool // user was made in the draft, and may be changed in it
	user   *directory.User
	places []place // sorted by project
}

// place is what a user is in one project.
type place struct {
	project  uuid.UUID
	roles    *[]directory.Role // nil: it is no member
	revision uint64
	topics   []*directory.Topic // whose ACL names the user, member or not
	subs     []*directory.Subscription
	lengths  lengths
}

// lengths are how long what a place has is where it becomes a grant. They are kept
// up to date with the lists, so that nobody has to go through these.
type lengths struct{ topics, subs uint32 }

// own returns the user, to be changed.
func (e *userEntry) own() *directory.User {
	if !e.owns {
		u := *e.user
		u.Keys = slices.Clone(u.Keys)
		e.user, e.owns = &u, true
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

func (e *userEntry) placeOf(project uuid.UUID) (at int, found bool) {
	return slices.BinarySearchFunc(e.places, project, func(p place, id uuid.UUID) int { return bytes.Compare(p.project[:], id[:]) })
}

func (e *userEntry) isMember(project uuid.UUID) bool {
	at, ok := e.placeOf(project)
	return ok && e.places[at].roles != nil
}

// in returns the place in a project, to be changed.
func (e *userEntry) in(project uuid.UUID) *place {
	at, ok := e.placeOf(project)
	if !ok {
		e.places = slices.Insert(e.places, at, place{project: project})
	}
	return &e.places[at]
}

// tidy takes the place in a project away if there is nothing in it.
func (e *userEntry) tidy(project uuid.UUID) {
	if at, ok := e.placeOf(project); ok {
		if p := &e.places[at]; p.roles == nil && len(p.topics) == 0 && len(p.subs) == 0 {
			e.places = slices.Delete(e.places, at, at+1)
		}
	}
}

// projectEntry is a project with what is in it.
type projectEntry struct {
	owner   *hashtable.Owner
	was     *projectEntry // what a draft has found
	id      uuid.UUID
	there   bool
	named   bool
	project directory.Project // Topics and Subscriptions are those that are there
	members []uuid.UUID       // sorted, once the draft is committed
	joined  []uuid.UUID       // in the draft
	left    []uuid.UUID       // in the draft
	topics  []*resource[directory.Topic]
	subs    []*resource[directory.Subscription]
	outside directory.Lengths // of shown topics
}

// resource is a topic or a subscription with its ACL.
type resource[T any] struct {
	owner    *hashtable.Owner
	name     string
	there    bool
	blocked  bool // its subject cannot be its own, or it reads no topic
	view     T
	subject  string // of a topic, as it was stated
	acl      []uuid.UUID
	revision uint64 // of the ACL
}

// shown reports whether it is there for requests.
func (r *resource[T]) shown() bool { return r.there && !r.blocked }

func find[T any](list []*resource[T], name string) (at int, found bool) {
	return slices.BinarySearchFunc(list, name, func(r *resource[T], name string) int { return strings.Compare(r.name, name) })
}

func viewOf[T any](list []*resource[T], name string) (*T, bool) {
	if at, ok := find(list, name); ok && list[at].shown() {
		return &list[at].view, true
	}
	return nil, false
}

func aclOf[T any](list []*resource[T], name string) ([]uuid.UUID, uint64, bool) {
	if at, ok := find(list, name); ok && list[at].shown() {
		return list[at].acl, list[at].revision, true
	}
	return nil, 0, false
}

// change returns the resource of this name, to be changed.
func change[T any](e *hashtable.Owner, list *[]*resource[T], name string) *resource[T] {
	at, ok := find(*list, name)
	if !ok {
		*list = slices.Insert(*list, at, &resource[T]{owner: e, name: name})
	}
	r := (*list)[at]
	if r.owner != e {
		c := *r
		c.owner = e
		r = &c
		(*list)[at] = r
	}
	return r
}

// dropEmpty takes away what nothing is said of any more.
func dropEmpty[T any](list *[]*resource[T], name string) {
	if at, ok := find(*list, name); ok && !(*list)[at].there && (*list)[at].acl == nil {
		*list = slices.Delete(*list, at, at+1)
	}
}
