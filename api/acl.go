package api

import (
	"errors"
	"fmt"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// maxACL is how many users one ACL names: more do not fit into one message of NATS.
const maxACL = 20_000

// acls is what the ACLs of topics and of subscriptions have not in common.
type acls struct {
	kind     directory.Kind
	variable string
	resource string // what it is the ACL of
	what     string
}

func topicACLs() acls {
	return acls{directory.KindTopicACL, varTopic, whatTopic, "Topic ACL"}
}

func subscriptionACLs() acls {
	return acls{directory.KindSubscriptionACL, varSubscription, whatSubscription, "Subscription ACL"}
}

func (a acls) view(project, name string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		users, revision, ok := s.ACL(a.kind, project, name)
		if !ok {
			return nil, 0, false
		}
		return wire.ACL{AuthorizedUsers: texts(users)}, revision, true
	}
}

func (a acls) show(c *call) (*answer, error) {
	return c.show(c.snapshot, a.resource, a.view(c.vars[varProject], c.vars[a.variable]))
}

func (a acls) modify(c *call) (*answer, error) {
	in, project, name := c.body.(*wire.ACL), c.vars[varProject], c.vars[a.variable]
	if in.AuthorizedUsers == nil {
		return nil, c.arguments(errors.New("authorized_users is missing"))
	}
	if len(in.AuthorizedUsers) > maxACL {
		return nil, c.arguments(fmt.Errorf("authorized_users: at most %d are allowed", maxACL))
	}
	if twice, ok := repeated(in.AuthorizedUsers); ok {
		return nil, c.arguments(fmt.Errorf("authorized_users: %s is named twice", shownName(twice)))
	}
	at := a.view(project, name)
	next, err := c.alter(a.what, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, _, ok := at(s); !ok {
			return nil, notFound(a.resource)
		}
		p, _ := s.Project(project)
		ids, strangers := s.IDs(project, in.AuthorizedUsers)
		if len(strangers) > 0 {
			f := notFound("")
			f.message = "User(s): " + shownNames(strangers) + " do not exist"
			return nil, f
		}
		return directory.Put(directory.ResourceKey(a.kind, p.ID, name), &directory.ACL{Users: ids}), nil
	})
	if err != nil {
		return nil, err
	}
	out, err := c.changed(next, at)
	if err != nil {
		return nil, err
	}
	return &answer{tag: out.tag}, nil // AMS answers nothing
}
