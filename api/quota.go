package api

import "usher/directory"

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
func (c *call) hasPlace(s *directory.Snapshot, project string) error {
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
