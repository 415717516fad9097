package snapshot

import (
	"github.com/google/uuid"

	"usher/directory"
)

// Records returns everything that is visible, in the form that New accepts. Users,
// projects and bans are in no particular order.
func (s *Snapshot) Records() directory.Records {
	r := directory.Records{Users: make([]directory.User, 0, s.size.Users), Projects: make([]directory.Project, 0, s.size.Projects)}
	for u := range s.Users() {
		r.Users = append(r.Users, *u)
	}
	for p := range s.projectsByName.All() {
		r.Projects = append(r.Projects, s.record(p, false))
	}
	for b := range s.bans.All() {
		if record := s.RecordOfBan(b); record.User != "" || record.Target.User == uuid.Nil {
			r.Bans = append(r.Bans, record)
		}
	}
	return r
}

// RecordOfBan returns a ban of the snapshot in the form of Records. If its user does not
// exist, it has no name.
func (s *Snapshot) RecordOfBan(b *directory.Ban) directory.Ban {
	r := *b
	if u, ok := s.UserByID(r.Target.User); ok {
		r.User = u.Name
	}
	return r
}

// Record returns a project in the form of Records.
func (s *Snapshot) Record(project uuid.UUID) (directory.Project, bool) {
	if p := s.project(project); p != nil && p.hasName {
		return s.record(p, false), true
	}
	return directory.Project{}, false
}

// record returns a project with its members and ACLs, and with blocked topics and
// subscriptions if blocked is true.
func (s *Snapshot) record(p *projectEntry, blocked bool) directory.Project {
	r := p.project
	r.Topics, r.Subscriptions = nil, nil
	for u, m := range s.Members(p.project.Name) {
		r.Members = append(r.Members, directory.Member{User: u.Name, Roles: m.Roles, Revision: m.Revision})
	}
	for _, t := range p.topics {
		if t.visible() || blocked && t.exists {
			view := t.view
			view.Subject, view.ACL = t.statedSubject, s.memberNames(p, t.acl)
			r.Topics = append(r.Topics, view)
		}
	}
	for _, x := range p.subs {
		if x.visible() || blocked && x.exists {
			view := x.view
			view.ACL = s.memberNames(p, x.acl)
			r.Subscriptions = append(r.Subscriptions, view)
		}
	}
	return r
}
