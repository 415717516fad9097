package directory

import (
	"github.com/google/uuid"

	"usher/secret"
)

// MaxChange is how many entries a store changes at once.
const MaxChange = 1000

// Apply returns the snapshot with entries taken over, whatever they say: it is
// how a store that is watched follows. What does not fit gives nobody anything,
// and is among the problems. Users are those whose grant may be another one now.
func (s *Snapshot) Apply(entries []Entry) (next *Snapshot, users []uuid.UUID, problems Problems) {
	d := newDraft(s)
	for i := range entries {
		d.apply(&entries[i])
	}
	next = d.commit()
	return next, d.affected(entries), d.problems
}

// affected lists the users whose grant may have changed.
func (d *draft) affected(entries []Entry) []uuid.UUID {
	users := make([]uuid.UUID, 0, len(d.users))
	seen := make(map[uuid.UUID]bool, len(d.users))
	add := func(id uuid.UUID) {
		if !seen[id] {
			seen[id] = true
			users = append(users, id)
		}
	}
	for _, e := range d.users {
		add(e.id)
	}
	for i := range entries { // a project that moves, goes, or has other topics concerns its members
		if k := entries[i].Key; k.Kind == KindProject || k.Kind == KindTopic || k.Kind == KindSubscription {
			if p := d.s.project(k.Project); p != nil {
				for _, id := range p.members {
					add(id)
				}
			}
		}
	}
	return users
}

// Try returns the snapshot that a change would lead to. The error is Problems:
// why the change must not be made. It looks at what the change concerns, and not
// at all of the directory.
func (s *Snapshot) Try(entries []Entry) (*Snapshot, error) {
	d := newDraft(s)
	for i := range entries {
		if err := entries[i].Check(); err != nil {
			return nil, Problems{{Path: entries[i].Key.String(), Message: err.Error()}}
		}
		d.apply(&entries[i])
	}
	next := d.commit()
	var problems Problems
	for i := range entries {
		problems = append(problems, next.refers(&entries[i])...)
	}
	if problems = append(d.problems, problems...); len(problems) > 0 {
		return nil, problems
	}
	concerned := next.concerned(entries)
	if problems := next.Check(&concerned); len(problems) > 0 {
		return nil, problems
	}
	return next, nil
}

// refers reports where an entry leads to nothing.
func (s *Snapshot) refers(e *Entry) Problems {
	if e.Value == nil {
		return nil
	}
	k := e.Key
	one := func(message string) Problems { return Problems{{Path: k.String(), Message: message}} }
	switch k.Kind {
	case KindUser:
		return nil
	case KindKey:
		if _, ok := s.UserByID(k.User); !ok {
			return one("there is no such user")
		}
		return nil
	case KindProject, KindMember, KindTopic, KindSubscription, KindTopicACL, KindSubscriptionACL:
	}
	p := s.project(k.Project)
	if p == nil || !p.named {
		return one("there is no such project")
	}
	switch v := e.Value.(type) {
	case *Member:
		if _, ok := s.UserByID(k.User); !ok {
			return one("there is no such user")
		}
	case *ACL:
		_, topic := viewOf(p.topics, k.Name)
		_, sub := viewOf(p.subs, k.Name)
		if k.Kind == KindTopicACL && !topic || k.Kind == KindSubscriptionACL && !sub {
			return one("there is no such " + string(k.Kind))
		}
		if len(s.memberNames(p, v.Users)) != len(v.Users) {
			return one("names somebody who is not a member of project " + secret.Name(p.project.Name))
		}
	}
	return nil
}

// concerned returns the users and projects that entries are about, as they are.
func (s *Snapshot) concerned(entries []Entry) Records {
	var r Records
	users, projects := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for i := range entries {
		k := entries[i].Key
		if k.ofUser() {
			if u, ok := s.UserByID(k.User); ok && !users[k.User] {
				users[k.User] = true
				r.Users = append(r.Users, *u)
			}
		} else if p := s.project(k.Project); p != nil && p.named && !projects[k.Project] {
			projects[k.Project] = true
			r.Projects = append(r.Projects, s.record(p))
		}
	}
	return r
}

// Records returns everything, as NewSnapshot takes it; users and projects are in
// no particular order.
func (s *Snapshot) Records() Records {
	r := Records{Users: make([]User, 0, s.size.Users), Projects: make([]Project, 0, s.size.Projects)}
	for u := range s.Users() {
		r.Users = append(r.Users, *u)
	}
	for p := range s.called.all() {
		r.Projects = append(r.Projects, s.record(p))
	}
	return r
}

// Record returns a project as Records does.
func (s *Snapshot) Record(project uuid.UUID) (Project, bool) {
	if p := s.project(project); p != nil && p.named {
		return s.record(p), true
	}
	return Project{}, false
}

// Check reports what is against the rules in records that the snapshot holds,
// among all that it holds. It is how a change is checked of which there are
// records: the paths are theirs.
func (s *Snapshot) Check(r *Records) Problems { return check(r, s).problems }

// record returns a project with its members and ACLs.
func (s *Snapshot) record(p *projectEntry) Project {
	r := p.project
	r.Topics, r.Subscriptions = nil, nil
	for u, m := range s.Members(p.project.Name) {
		r.Members = append(r.Members, Member{User: u.Name, Roles: m.Roles, Revision: m.Revision})
	}
	for _, t := range p.topics {
		if t.there {
			view := t.view
			view.Subject, view.ACL = t.subject, s.memberNames(p, t.acl)
			r.Topics = append(r.Topics, view)
		}
	}
	for _, sub := range p.subs {
		if sub.there {
			view := sub.view
			view.ACL = s.memberNames(p, sub.acl)
			r.Subscriptions = append(r.Subscriptions, view)
		}
	}
	return r
}
