package snapshot

import (
	"slices"
	"strings"

	"usher/directory"
	"usher/directory/hashtable"
)

// addUsers adds the users of checked records, with their keys, to an empty draft. It
// returns them in their order. It is much faster than apply, because it fills each hash
// table at once.
func (d *draft) addUsers(users []directory.User) []userEntry {
	entries := make([]userEntry, len(users))
	order := make([]hashtable.Numbered, len(users)) // reused for each table
	for i := range users {
		d.yielder.Step()
		u := &users[i]
		d.normalize(u)
		entries[i] = userEntry{owner: d.owner, id: u.ID, exists: true, hasName: true, user: u}
		order[i] = hashtable.Numbered{Hash: hashID(&u.ID), Number: i}
		d.countUser(&entries[i], 1)
	}
	d.next.usersByID.Fill(d.owner, order, entries)
	for i := range users {
		d.yielder.Step()
		order[i] = hashtable.Numbered{Hash: hashName(users[i].Name), Number: i}
	}
	d.next.usersByName.Fill(d.owner, order, entries)
	order = order[:0]
	for i := range users {
		d.yielder.Step()
		for j := range users[i].Keys {
			order = append(order, hashtable.Numbered{Hash: hashDigest(&users[i].Keys[j].Digest), Number: i})
		}
	}
	d.next.usersByDigest.Fill(d.owner, order, entries)
	return entries
}

// normalize gives a user of records the form that it has in a snapshot: keys sorted by
// id, no revisions, and interned lists.
func (d *draft) normalize(u *directory.User) {
	u.ServiceRoles = d.serviceRoles.List(u.ServiceRoles)
	u.Limits.ConnectionTypes = d.connectionTypes.List(u.Limits.ConnectionTypes)
	u.Revision = 0
	byID := func(x, y directory.Key) int { return strings.Compare(x.ID, y.ID) }
	if !slices.IsSortedFunc(u.Keys, byID) || slices.ContainsFunc(u.Keys, func(k directory.Key) bool { return k.Revision != 0 }) {
		u.Keys = slices.Clone(u.Keys) // another snapshot may share them
		slices.SortFunc(u.Keys, byID)
		for i := range u.Keys {
			u.Keys[i].Revision = 0
		}
	}
}
