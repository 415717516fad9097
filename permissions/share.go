package permissions

import (
	"usher/directory"
)

// The projects of one account that a user is in share the size limit of an answer. Of n
// projects each has a guaranteed share of 1/(2n), which the others cannot take, even if
// one person administers all of them.
//
// To guarantee that, the sum over the projects of max(size, guaranteed share) must not
// exceed the limit. Then every project can grow to its guaranteed share without changing
// the sum. Each change of a project that is not refused keeps the sum within the limit:
//   - growth within the guaranteed share does not change the sum;
//   - growth beyond it, or a project that is new to the user, is checked against the sum;
//   - when a project no longer gives the user anything, at least its share leaves the
//     sum, and the n-1 other shares grow by 1/(2(n-1)) - 1/(2n) each, which is not more.

// sizeTolerance is how much the sizes of two parts of an answer may differ from the
// size of both together, in bytes.
const sizeTolerance = 4

// exceedsShare reports whether a change of a project takes guaranteed share from other
// projects. Growth within the project's own guaranteed share never does, even if a
// service_admin has exceeded the limit before.
func (p *Policy) exceedsShare(before, after *directory.Facts, project *directory.Project, limit int) bool {
	oldSize, newSize := p.shareOf(before, project), p.shareOf(after, project)
	if newSize <= oldSize {
		return false
	}
	account := ""
	for i := range after.Memberships {
		if m := &after.Memberships[i]; m.Project.ID == project.ID {
			account = m.Project.Account
		}
	}
	id := largestIdentity(after.User)
	empty := sizeOf(nil, after, &id, account, "")
	available, shares, own := limit-empty, []int(nil), 0
	all, err := p.entitlements(id.Selection, after)
	if err != nil {
		return false
	}
	for _, x := range all {
		if x.account != account {
			continue
		}
		size := sizeOf([]entitlement{x}, after, &id, account, "") - empty + sizeTolerance
		switch {
		case x.role == directory.ServiceRoleAdmin:
			return false // its rules cover those of projects
		case x.membership == nil:
			available -= size
			continue
		case x.membership.Project.ID == project.ID:
			own = size
		}
		shares = append(shares, size)
	}
	guaranteed := max(available, 0) / (2 * len(shares))
	if own <= guaranteed && oldSize > 0 {
		return false
	}
	sum := 0
	for _, share := range shares {
		sum += max(share, guaranteed)
	}
	return sum > available
}
