package snapshot

import (
	"slices"
	"strings"
	"usher/directory"
	"usher/directory/hashtable"
)

// adopt takes the users of checked records over as they are, with their keys, and
// returns them in their order.
func (d *draft) adopt(users []directory.User) []userEntry {
	entries := make([]userEntry, len(users))
	order := make([]hashtable.Numbered, len(users)) // of one table after the other
	for i := range users {
		d.turns.Step()
		u := &users[i]
		d.own(u)
		entries[i] = userEntry{owner: d.e, id: u.ID, there: true, named: true, user: u}
		order[i] = hashtable.Numbered{Hash: hashID(&u.ID), Number: i}
		d.count(&entries[i], 1)
	}
	d.s.ids.Fill(d.e, order, entries)
	for i := range users {
		d.turns.Step()
		order[i] = hashtable.Numbered{Hash: hashName(users[i].Name), Number: i}
	}
	d.s.names.Fill(d.e, order, entries)
	order = order[:0]
	for i := range users {
		d.turns.Step()
		for j := range users[i].Keys {
			order = append(order, hashtable.Numbered{Hash: hashDigest(&users[i].Keys[j].Digest), Number: i})
		}
	}
	d.s.digests.Fill(d.e, order, entries)
	return entries
}

// own makes a user of records one of the draft.
func (d *draft) own(u *directory.User) {
	u.ServiceRoles = d.service.one(u.ServiceRoles)
	u.Limits.ConnectionTypes = d.types.one(u.Limits.ConnectionTypes)
	u.Revision = 0
	byID := func(x, y directory.Key) int { return strings.Compare(x.ID, y.ID) }
	if !slices.IsSortedFunc(u.Keys, byID) || slices.ContainsFunc(u.Keys, func(k directory.Key) bool { return k.Revision != 0 }) {
		u.Keys = slices.Clone(u.Keys) // they may be another snapshot's too
		slices.SortFunc(u.Keys, byID)
		for i := range u.Keys {
			u.Keys[i].Revision = 0
		}
	}
}
