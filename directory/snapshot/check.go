package snapshot

import (
	"cmp"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/validation"
)

// Try returns the snapshot that a change would lead to. The error is
// directory.Problems: why the change must not be made. Try only looks at what the change
// concerns, not at the whole directory.
//
// A change of directory.MaxChange entries may be a part of a larger one. So it may remove
// an entry to which others still refer.
func (s *Snapshot) Try(entries []directory.Entry) (*Snapshot, error) {
	d := newDraft(s)
	d.dryRun = true
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
		problems = append(problems, next.checkReferences(&entries[i], s)...)
	}
	problems = append(problems, s.checkLeftovers(entries, next)...)
	problems = append(problems, next.checkUnreadableNames(entries, s)...)
	if len(problems) > 0 {
		return nil, problems
	}
	concerned := next.concernedRecords(entries)
	if problems := next.Check(&concerned); len(problems) > 0 {
		return nil, problems
	}
	if len(d.blocked) > 0 {
		return nil, d.blocked
	}
	return next, nil
}

// Preview returns the snapshot that a change of any size would lead to, and reports
// names, digests and subjects in it that already belong to other entries. Use Check for
// the other rules.
func (s *Snapshot) Preview(entries []directory.Entry) (*Snapshot, directory.Problems) {
	d := newDraft(s)
	d.dryRun = true
	for i := range entries {
		d.apply(&entries[i])
	}
	next := d.commit()
	return next, append(d.allProblems(), next.checkUnreadableNames(entries, s)...)
}

// Check reports faults of records that the snapshot contains, with the paths of the
// records. It is for changes that were computed from records.
func (s *Snapshot) Check(r *directory.Records) directory.Problems {
	_, problems := validation.Check(r, s)
	return problems
}

// concernedRecords returns the users and projects that entries are about.
func (s *Snapshot) concernedRecords(entries []directory.Entry) directory.Records {
	var r directory.Records
	users, projects := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for i := range entries {
		k := entries[i].Key
		if k.OfUser() {
			if u, ok := s.UserByID(k.User); ok && !users[k.User] {
				users[k.User] = true
				r.Users = append(r.Users, *u)
			}
		} else if b, ok := s.bans.Find(k.Name); ok && k.Kind == directory.KindBan {
			r.Bans = append(r.Bans, s.RecordOfBan(b))
		} else if p := s.project(k.Project); p != nil && p.hasName && !projects[k.Project] {
			projects[k.Project] = true
			r.Projects = append(r.Projects, s.record(p, true))
		}
	}
	return r
}
