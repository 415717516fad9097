package api

import (
	"fmt"
	"net/http"

	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// What an administrator of a project can put into it. A service_admin can go
// further.
const (
	maxResources = 10_000 // topics and subscriptions
	maxMembers   = 10_000
)

// hasRoom reports whether a project may have another topic or subscription.
func (c *call) hasRoom(p *directory.Project) error {
	if c.isServiceAdmin() || len(p.Topics)+len(p.Subscriptions) < maxResources {
		return nil
	}
	return full("%d topics and subscriptions", maxResources)
}

// hasPlace reports whether a project may have another member.
func (c *call) hasPlace(s *snapshot.Snapshot, project string) error {
	if c.isServiceAdmin() {
		return nil
	}
	n := 0
	for range s.Members(project) {
		if n++; n >= maxMembers {
			return full("%d members", maxMembers)
		}
	}
	return nil
}

func full(format string, most int) *failure {
	f := conflict("The project has "+format, most)
	f.details = []string{"that is as many as its administrators may give it; a service_admin can add more"}
	return f
}

// charge says on whose behalf the call changes the directory: that of the project
// in its path, or that of a service_admin, who has no share to use up. Which of them
// who asks is, is looked at where the change is made.
func (c *call) charge() {
	if c.user == nil {
		return
	}
	c.r = c.r.WithContext(kv.ByAuthorNow(c.r.Context(), func() kv.Author {
		by := kv.Author{User: c.user.ID}
		if p, ok := c.snapshot.Project(c.vars[varProject]); ok && !c.isServiceAdmin() {
			by.Project = p.ID
		}
		return by
	}))
}

// exhausted is the failure of a change for which there is no room.
func exhausted(cause error) *failure {
	f := fail(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "The project has used up its share of the directory")
	f.cause = cause
	f.details = []string{
		fmt.Sprintf("what its administrators have made counts, and for %v what they have removed", kv.MarkerLife),
		"removals are still made; a service_admin can add more",
	}
	return f
}

// stuffed is the failure of a change for which nobody has room.
func stuffed(cause error) *failure {
	f := fail(http.StatusInsufficientStorage, "INSUFFICIENT_STORAGE", "The directory is nearly full")
	f.cause = cause
	f.details = []string{"removals are still made; whoever looks after the servers can give its bucket more room"}
	return f
}
