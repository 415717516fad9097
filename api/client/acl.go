package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"usher/api/wire"
)

// Resource is what has an ACL.
type Resource struct{ at place }

// TopicOf is a topic of a project.
func TopicOf(project, name string) Resource { return Resource{topic(project, name)} }

// SubscriptionOf is a subscription of a project.
func SubscriptionOf(project, name string) Resource { return Resource{subscription(project, name)} }

// ACL returns who may publish to a topic, or consume a subscription.
func (c *Client) ACL(ctx context.Context, of Resource) (*wire.ACL, Tag, error) {
	return fetch[wire.ACL](ctx, c, http.MethodGet, of.at.to(":acl"))
}

// SetACL replaces the list.
func (c *Client) SetACL(ctx context.Context, of Resource, users []string, unchanged Tag) error {
	if users == nil {
		users = []string{} // null is no list
	}
	return c.tell(ctx, http.MethodPost, of.at.to(":modifyAcl"), body(&wire.ACL{AuthorizedUsers: users}), ifMatch(unchanged))
}

// aclAttempts is how often ChangeACL begins again. Of those who edit one list at a
// time one always gets through, so that as many can do so without one giving up.
const aclAttempts = 16

// ChangeACL replaces the list by what change makes of it. Nobody's edit is lost: if
// somebody else changed the list meanwhile, change is called again with the new one.
func (c *Client) ChangeACL(ctx context.Context, of Resource, change func(users []string) []string) (*wire.ACL, error) {
	for attempt := 1; ; attempt++ {
		list, tag, err := c.ACL(ctx, of)
		if err != nil {
			return nil, err
		}
		if tag == "" {
			return nil, fmt.Errorf("%w: an ACL without an ETag", ErrAnswer)
		}
		users := change(slices.Clone(list.AuthorizedUsers))
		if slices.Equal(users, list.AuthorizedUsers) {
			return list, nil
		}
		err = c.SetACL(ctx, of, users, tag)
		if err == nil {
			return &wire.ACL{AuthorizedUsers: users}, nil
		}
		if !changedMeanwhile(err) || attempt == aclAttempts {
			return nil, err
		}
	}
}
