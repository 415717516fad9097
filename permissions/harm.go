package permissions

import (
	"usher/directory"
	"usher/identity"
)

// outlook is what becomes of a user that connects.
type outlook struct {
	account, scope string
	size           int
	granted        bool
}

func (p *Policy) outlook(sel identity.Selection, f *directory.Facts, limit int) outlook {
	id := widest(f.User)
	id.Selection = sel
	parts, err := p.parts(sel, f)
	if err != nil {
		return outlook{}
	}
	account, err := oneAccount(parts)
	if err != nil {
		return outlook{}
	}
	scope, err := p.scope(parts)
	if err != nil {
		return outlook{}
	}
	size := sizeOf(parts, f, &id, account, scope)
	return outlook{account, scope, size, size <= limit}
}

// Harms reports whether a change, of which before and after are what a user had and
// has, leaves the user worse than before outside of a project: where it is not only
// about that project, what was granted is not any more, or in another account, or by
// another scope. An answer has at most limit bytes, and one project may take half of
// that of a user who has roles elsewhere too: the other half is for the others. Nor may
// it take the part of another one (crowds).
//
// Whoever administers one project alone may not do that.
func (p *Policy) Harms(before, after *directory.Facts, project *directory.Project, limit int) bool {
	if before.User == nil || after.User == nil {
		return false
	}
	outside := p.outside(before, project)
	if len(outside) == 0 {
		return false
	}
	selections := []identity.Selection{{}}
	for _, account := range accounts(outside) {
		selections = append(selections, identity.Selection{Account: account})
	}
	for _, sel := range selections {
		was := p.outlook(sel, before, limit)
		if !was.granted {
			continue
		}
		if is := p.outlook(sel, after, limit); !is.granted || is.account != was.account || is.scope != was.scope {
			return true
		}
	}
	share := p.shareOf(after, project)
	return share > limit/2 && share > p.shareOf(before, project) || p.crowds(before, after, project, limit)
}

// outside lists what gives a user something besides a project.
func (p *Policy) outside(f *directory.Facts, project *directory.Project) []part {
	all, err := p.parts(identity.Selection{}, f)
	if err != nil {
		return nil
	}
	var others []part
	for _, x := range all {
		if x.membership == nil || x.membership.Project.ID != project.ID {
			others = append(others, x)
		}
	}
	return others
}

// shareOf returns the size of what a project alone gives a user; 0: nothing.
func (p *Policy) shareOf(f *directory.Facts, project *directory.Project) int {
	for i := range f.Memberships {
		if m := &f.Memberships[i]; m.Project.ID == project.ID {
			id := widest(f.User)
			return sizeOf([]part{{account: m.Project.Account, membership: m}}, f, &id, m.Project.Account, "")
		}
	}
	return 0
}
