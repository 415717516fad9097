package snapshot

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/hashtable"
)

// projectEntry is a project with everything that belongs to it.
type projectEntry struct {
	owner   *hashtable.Owner
	before  *projectEntry // in a draft: the project in the snapshot before
	id      uuid.UUID
	exists  bool              // the entry of the project itself has arrived
	hasName bool              // and the project's name is not that of another project
	project directory.Project // Topics and Subscriptions are the visible ones
	members []uuid.UUID       // sorted, except in a draft
	joined  []uuid.UUID       // in a draft: new members
	left    []uuid.UUID       // in a draft: removed members
	topics  []*resource[directory.Topic]
	subs    []*resource[directory.Subscription]
	outside directory.Lengths // of the subjects of visible topics that are outside of the project
}

// isOutside reports whether a subject does not begin with the name of the project.
func (p *projectEntry) isOutside(subject string) bool {
	return !strings.HasPrefix(subject, p.project.Name+".")
}

// isEmpty reports whether no entry is about the project.
func (p *projectEntry) isEmpty() bool {
	return !p.exists && len(p.members) == 0 && len(p.topics) == 0 && len(p.subs) == 0
}

// membership returns what access to p gives.
func (p *projectEntry) membership(a *projectAccess) directory.Membership {
	return directory.Membership{
		Project: &p.project, Roles: *a.roles, Topics: a.topics, Subs: a.subs, Revision: a.revision,
		TopicBytes: int(a.lengths.topics), SubBytes: int(a.lengths.subs), Outside: p.outside,
	}
}

// resource is a topic or a subscription with its ACL.
type resource[T any] struct {
	owner         *hashtable.Owner
	name          string
	exists        bool   // its own entry has arrived, not only that of its ACL
	blocked       bool   // a topic whose subject belongs to another one; a subscription without its topic
	view          T      // as requests see it
	statedSubject string // of a topic; empty: none
	acl           []uuid.UUID
	aclRevision   uint64
}

// visible reports whether requests see the resource.
func (r *resource[T]) visible() bool { return r.exists && !r.blocked }

func find[T any](list []*resource[T], name string) (i int, found bool) {
	return slices.BinarySearchFunc(list, name, func(r *resource[T], name string) int { return strings.Compare(r.name, name) })
}

func resourceExists[T any](list []*resource[T], name string) bool {
	i, ok := find(list, name)
	return ok && list[i].exists
}

func viewOf[T any](list []*resource[T], name string) (*T, bool) {
	if i, ok := find(list, name); ok && list[i].visible() {
		return &list[i].view, true
	}
	return nil, false
}

func visibleACL[T any](list []*resource[T], name string) (users []uuid.UUID, revision uint64, ok bool) {
	if i, ok := find(list, name); ok && list[i].visible() {
		return list[i].acl, list[i].aclRevision, true
	}
	return nil, 0, false
}

// mutable returns the resource of this name, which the owner may change. It adds one if
// there is none.
func mutable[T any](o *hashtable.Owner, list *[]*resource[T], name string) *resource[T] {
	i, ok := find(*list, name)
	if !ok {
		*list = slices.Insert(*list, i, &resource[T]{owner: o, name: name})
	}
	r := (*list)[i]
	if r.owner != o {
		c := *r
		c.owner = o
		r = &c
		(*list)[i] = r
	}
	return r
}

// removeEmpty removes a resource if no entry is about it.
func removeEmpty[T any](list *[]*resource[T], name string) {
	if i, ok := find(*list, name); ok && !(*list)[i].exists && (*list)[i].acl == nil {
		*list = slices.Delete(*list, i, i+1)
	}
}

// outsideLengths counts the visible topics whose subject is outside of the project.
func outsideLengths(p *projectEntry) directory.Lengths {
	var l directory.Lengths
	for i := range p.project.Topics {
		if subject := p.project.Topics[i].Subject; p.isOutside(subject) {
			l.Add(subject)
		}
	}
	return l
}
