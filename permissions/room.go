package permissions

import (
	"usher/directory"
)

// What an answer may hold is shared by all projects of one account that a user is in.
// Of n projects each has a part, 1/(2n) of it, that the others cannot take, however many
// of them somebody administers together.
//
// For that the sum of what each project takes, but for each at least its part, has to
// fit. As long as it does, every project can grow to its part: the sum stays what it is.
// And it does after each change of a project that is not refused:
//   - within its part, the sum stays;
//   - beyond it, and where the project is new to the user, the sum is looked at;
//   - where it gives the user nothing any more, its part or more leaves the sum, and the
//     parts of the n-1 others grow by 1/(2(n-1)) - 1/(2n) each, which is no more.

// rounding is by how many bytes the sizes of two parts of an answer may differ from
// that of both together.
const rounding = 4

// crowds reports whether a change of a project takes from others what is their part. A
// service_admin may have given more than there is: what is within its part is the
// project's all the same.
func (p *Policy) crowds(before, after *directory.Facts, project *directory.Project, limit int) bool {
	was, is := p.shareOf(before, project), p.shareOf(after, project)
	if is <= was {
		return false
	}
	account := ""
	for i := range after.Memberships {
		if m := &after.Memberships[i]; m.Project.ID == project.ID {
			account = m.Project.Account
		}
	}
	id := widest(after.User)
	bare := sizeOf(nil, after, &id, account, "")
	room, shares, own := limit-bare, []int(nil), 0
	all, err := p.parts(id.Selection, after)
	if err != nil {
		return false
	}
	for _, x := range all {
		if x.account != account {
			continue
		}
		size := sizeOf([]part{x}, after, &id, account, "") - bare + rounding
		switch {
		case x.role == directory.ServiceRoleAdmin:
			return false // which covers what projects give
		case x.membership == nil:
			room -= size
			continue
		case x.membership.Project.ID == project.ID:
			own = size
		}
		shares = append(shares, size)
	}
	least := max(room, 0) / (2 * len(shares))
	if own <= least && was > 0 {
		return false
	}
	sum := 0
	for _, share := range shares {
		sum += max(share, least)
	}
	return sum > room
}
