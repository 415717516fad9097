package directory

import (
	"slices"
	"strings"
)

// adopt takes the users of checked records over as they are, with their keys, and
// returns them in their order.
func (d *draft) adopt(users []User) []userEntry {
	entries := make([]userEntry, len(users))
	order := make([]numbered, len(users)) // of one table after the other
	for i := range users {
		d.turns.step()
		u := &users[i]
		d.own(u)
		entries[i] = userEntry{owner: d.e, id: u.ID, there: true, named: true, user: u}
		order[i] = numbered{hashID(&u.ID), i}
		d.count(&entries[i], 1)
	}
	d.s.ids.fill(d.e, order, entries)
	for i := range users {
		d.turns.step()
		order[i] = numbered{hashName(users[i].Name), i}
	}
	d.s.names.fill(d.e, order, entries)
	order = order[:0]
	for i := range users {
		d.turns.step()
		for j := range users[i].Keys {
			order = append(order, numbered{hashDigest(&users[i].Keys[j].Digest), i})
		}
	}
	d.s.digests.fill(d.e, order, entries)
	return entries
}

// own makes a user of records one of the draft.
func (d *draft) own(u *User) {
	u.ServiceRoles = d.service.one(u.ServiceRoles)
	u.Limits.ConnectionTypes = d.types.one(u.Limits.ConnectionTypes)
	u.Revision = 0
	byID := func(x, y Key) int { return strings.Compare(x.ID, y.ID) }
	if !slices.IsSortedFunc(u.Keys, byID) || slices.ContainsFunc(u.Keys, func(k Key) bool { return k.Revision != 0 }) {
		u.Keys = slices.Clone(u.Keys) // they may be another snapshot's too
		slices.SortFunc(u.Keys, byID)
		for i := range u.Keys {
			u.Keys[i].Revision = 0
		}
	}
}
