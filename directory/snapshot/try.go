package snapshot

import (
	"cmp"
	"github.com/google/uuid"
	"usher/directory"
	"usher/directory/validation"
)

// Apply returns the snapshot with entries taken over, whatever they say: it is
// how a store that is watched follows. What does not fit gives nobody anything,
// and is among the problems. Users are those whose grant may be another one now.
func (s *Snapshot) Apply(entries []directory.Entry) (next *Snapshot, users []uuid.UUID, problems directory.Problems) {
	d := newDraft(s)
	for i := range entries {
		d.apply(&entries[i])
	}
	next = d.commit()
	return next, d.affected(entries), d.all()
}

// affected lists the users whose grant may have changed.
func (d *draft) affected(entries []directory.Entry) []uuid.UUID {
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
	projects := d.indirect
	for i := range entries { // a project that moves, goes, or has other topics concerns its members
		if k := entries[i].Key; k.Kind == directory.KindProject || k.Kind == directory.KindTopic || k.Kind == directory.KindSubscription {
			projects = append(projects, k.Project)
		}
	}
	done := make(map[uuid.UUID]bool, len(projects))
	for _, id := range projects {
		if p := d.s.project(id); p != nil && !done[id] {
			done[id] = true
			for _, id := range p.members {
				add(id)
			}
		}
	}
	return users
}

// Try returns the snapshot that a change would lead to. The error is Problems:
// why the change must not be made. It looks at what the change concerns, and not
// at all of the directory.
//
// A change of MaxChange entries may be part of a larger one: what it removes may
// still be named elsewhere.
func (s *Snapshot) Try(entries []directory.Entry) (*Snapshot, error) {
	d := newDraft(s)
	d.trying = true
	var problems directory.Problems
	for i := range entries {
		e := &entries[i]
		if err := cmp.Or(e.CheckKey(), e.Check()); err != nil {
			problems = append(problems, directory.Problem{Path: e.Key.Path(), Message: err.Error(), Hint: directory.HintFor(err)})
			continue
		}
		d.apply(e)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	next := d.commit()
	problems = d.problems
	for i := range entries {
		problems = append(problems, next.refers(&entries[i], s)...)
	}
	problems = append(problems, s.leftOver(entries, next)...)
	problems = append(problems, next.obscured(entries, s)...)
	if len(problems) > 0 {
		return nil, problems
	}
	concerned := next.concerned(entries)
	if problems := next.Check(&concerned); len(problems) > 0 {
		return nil, problems
	}
	if len(d.blocked) > 0 {
		return nil, d.blocked
	}
	return next, nil
}

// Foresee returns the snapshot that a change of any size would lead to, and which
// names, keys and subjects it asks for that others have. Whether it keeps the other
// rules, Check says.
func (s *Snapshot) Foresee(entries []directory.Entry) (*Snapshot, directory.Problems) {
	d := newDraft(s)
	d.trying = true
	for i := range entries {
		d.apply(&entries[i])
	}
	next := d.commit()
	return next, append(d.all(), next.obscured(entries, s)...)
}

// concerned returns the users and projects that entries are about, as they are.
func (s *Snapshot) concerned(entries []directory.Entry) directory.Records {
	var r directory.Records
	users, projects := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for i := range entries {
		k := entries[i].Key
		if k.OfUser() {
			if u, ok := s.UserByID(k.User); ok && !users[k.User] {
				users[k.User] = true
				r.Users = append(r.Users, *u)
			}
		} else if p := s.project(k.Project); p != nil && p.named && !projects[k.Project] {
			projects[k.Project] = true
			r.Projects = append(r.Projects, s.record(p, true))
		}
	}
	return r
}

// Records returns everything that is shown, as NewSnapshot takes it; users and
// projects are in no particular order.
func (s *Snapshot) Records() directory.Records {
	r := directory.Records{Users: make([]directory.User, 0, s.size.Users), Projects: make([]directory.Project, 0, s.size.Projects)}
	for u := range s.Users() {
		r.Users = append(r.Users, *u)
	}
	for p := range s.called.All() {
		r.Projects = append(r.Projects, s.record(p, false))
	}
	return r
}

// Record returns a project as Records does.
func (s *Snapshot) Record(project uuid.UUID) (directory.Project, bool) {
	if p := s.project(project); p != nil && p.named {
		return s.record(p, false), true
	}
	return directory.Project{}, false
}

// Check reports what is against the rules in records that the snapshot holds,
// among all that it holds. It is how a change is checked of which there are
// records: the paths are theirs.
func (s *Snapshot) Check(r *directory.Records) directory.Problems {
	_, problems := validation.Check(r, s)
	return problems
}

// record returns a project with its members and ACLs, and what is not shown if all
// is asked for.
func (s *Snapshot) record(p *projectEntry, all bool) directory.Project {
	r := p.project
	r.Topics, r.Subscriptions = nil, nil
	for u, m := range s.Members(p.project.Name) {
		r.Members = append(r.Members, directory.Member{User: u.Name, Roles: m.Roles, Revision: m.Revision})
	}
	for _, t := range p.topics {
		if t.shown() || all && t.there {
			view := t.view
			view.Subject, view.ACL = t.subject, s.memberNames(p, t.acl)
			r.Topics = append(r.Topics, view)
		}
	}
	for _, x := range p.subs {
		if x.shown() || all && x.there {
			view := x.view
			view.ACL = s.memberNames(p, x.acl)
			r.Subscriptions = append(r.Subscriptions, view)
		}
	}
	return r
}
