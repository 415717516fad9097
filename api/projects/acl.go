package projects

import (
	"errors"
	"fmt"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// maxACL is how many users one ACL may name: more do not fit into one NATS message.
const maxACL = 20_000

// aclHandlers are the handlers of the ACLs of one kind of resource.
type aclHandlers struct {
	entry    directory.Kind
	variable string        // of the path
	resource apierror.Kind // that has the ACL
	acl      apierror.Kind // the ACL itself
}

func topicACLs() aclHandlers {
	return aclHandlers{directory.KindTopicACL, rest.VarTopic, apierror.Topic, "Topic ACL"}
}

func subscriptionACLs() aclHandlers {
	return aclHandlers{directory.KindSubscriptionACL, rest.VarSubscription, apierror.Subscription, "Subscription ACL"}
}

func (a aclHandlers) view(project, name string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		users, revision, ok := s.ACL(a.entry, project, name)
		if !ok {
			return nil, 0, false
		}
		return wire.ACL{AuthorizedUsers: rest.Strings(users)}, revision, true
	}
}

func (a aclHandlers) show(r *rest.Request) (*rest.Response, error) {
	return r.Show(a.resource, a.view(r.Var(rest.VarProject), r.Var(a.variable)))
}

func (a aclHandlers) modify(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.ACL), r.Var(rest.VarProject), r.Var(a.variable)
	if in.AuthorizedUsers == nil {
		return nil, r.InvalidBody(errors.New("authorized_users is missing"))
	}
	if len(in.AuthorizedUsers) > maxACL {
		return nil, r.InvalidBody(fmt.Errorf("authorized_users: at most %d are allowed", maxACL))
	}
	if repeated, ok := rest.Repeated(in.AuthorizedUsers); ok {
		return nil, r.InvalidBody(fmt.Errorf("authorized_users: %s is repeated", apierror.SafeName(repeated)))
	}
	view := a.view(project, name)
	next, err := r.Commit(a.acl, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, _, ok := view(s); !ok {
			return nil, apierror.NotFound(a.resource)
		}
		p, _ := s.Project(project)
		ids, unknown := s.IDs(project, in.AuthorizedUsers)
		if len(unknown) > 0 {
			return nil, apierror.UsersNotFound(project, unknown)
		}
		return directory.Put(directory.ResourceKey(a.entry, p.ID, name), &directory.ACL{Users: ids}), nil
	})
	if err != nil {
		return nil, err
	}
	out, err := r.ShowCommitted(next, view)
	if err != nil {
		return nil, err
	}
	return &rest.Response{ETag: out.ETag}, nil // AMS returns an empty body
}
