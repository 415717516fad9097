package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"usher/api/wire"
)

// Resource is a topic or a subscription, which have ACLs.
type Resource struct{ path apiPath }

// TopicOf is a topic of a project.
func TopicOf(project, name string) Resource { return Resource{topicPath(project, name)} }

// SubscriptionOf is a subscription of a project.
func SubscriptionOf(project, name string) Resource { return Resource{subscriptionPath(project, name)} }

// ACL returns who may publish to a topic, or consume a subscription.
func (c *Client) ACL(ctx context.Context, of Resource) (*wire.ACL, ETag, error) {
	return fetch[wire.ACL](ctx, c, http.MethodGet, of.path.append(":acl"))
}

// SetACL replaces the list.
func (c *Client) SetACL(ctx context.Context, of Resource, users []string, etag ETag) error {
	if users == nil {
		users = []string{} // the server refuses null
	}
	return c.do(ctx, http.MethodPost, of.path.append(":modifyAcl"), body(&wire.ACL{AuthorizedUsers: users}), ifMatch(etag))
}

// aclAttempts is how often ChangeACL tries. In each round of concurrent writers one
// succeeds, so this many writers can change one list at a time.
const aclAttempts = 16

// ChangeACL replaces the list by the result of change, and loses no concurrent change: if
// the list was changed after it was read, ChangeACL reads it and calls change again.
func (c *Client) ChangeACL(ctx context.Context, of Resource, change func(users []string) []string) (*wire.ACL, error) {
	for attempt := 1; ; attempt++ {
		list, etag, err := c.ACL(ctx, of)
		if err != nil {
			return nil, err
		}
		if etag == "" {
			return nil, fmt.Errorf("%w: an ACL without an ETag", ErrResponse)
		}
		users := change(slices.Clone(list.AuthorizedUsers))
		if slices.Equal(users, list.AuthorizedUsers) {
			return list, nil
		}
		err = c.SetACL(ctx, of, users, etag)
		if err == nil {
			return &wire.ACL{AuthorizedUsers: users}, nil
		}
		if !isConflict(err) || attempt == aclAttempts {
			return nil, err
		}
	}
}
