package permissions

import (
	"usher/directory"
	"usher/identity"
)

// outcome is the result of a connection attempt by a user.
type outcome struct {
	account, scope string
	size           int
	granted        bool
}

func (p *Policy) outcome(sel identity.Selection, f *directory.Facts, limit int) outcome {
	id := largestIdentity(f.User)
	id.Selection = sel
	entitlements, err := p.entitlements(sel, f)
	if err != nil {
		return outcome{}
	}
	account, err := commonAccount(entitlements)
	if err != nil {
		return outcome{}
	}
	scope, err := p.scope(entitlements)
	if err != nil {
		return outcome{}
	}
	size := sizeOf(entitlements, f, &id, account, scope)
	return outcome{account, scope, size, size <= limit}
}

// Harms reports whether a change leaves a user worse off outside a project. before and
// after are the facts about the user; limit is the maximum size of an answer in bytes.
// A change harms a user with roles outside the project if
//   - a connection that was granted, and is not for this project alone, is not granted
//     any more, or in another account, or with another scope; or
//   - the project takes more than half of the answer, or more than its fair share
//     (exceedsShare).
//
// The admin of one project may not make such a change.
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
		old := p.outcome(sel, before, limit)
		if !old.granted {
			continue
		}
		if now := p.outcome(sel, after, limit); !now.granted || now.account != old.account || now.scope != old.scope {
			return true
		}
	}
	share := p.shareOf(after, project)
	return share > limit/2 && share > p.shareOf(before, project) || p.exceedsShare(before, after, project, limit)
}

// outside lists the entitlements of a user without those in a project.
func (p *Policy) outside(f *directory.Facts, project *directory.Project) []entitlement {
	all, err := p.entitlements(identity.Selection{}, f)
	if err != nil {
		return nil
	}
	var others []entitlement
	for _, x := range all {
		if x.membership == nil || x.membership.Project.ID != project.ID {
			others = append(others, x)
		}
	}
	return others
}

// shareOf returns the size of an answer with the user's roles in one project alone; 0:
// the user has none.
func (p *Policy) shareOf(f *directory.Facts, project *directory.Project) int {
	for i := range f.Memberships {
		if m := &f.Memberships[i]; m.Project.ID == project.ID {
			id := largestIdentity(f.User)
			return sizeOf([]entitlement{{account: m.Project.Account, membership: m}}, f, &id, m.Project.Account, "")
		}
	}
	return 0
}
