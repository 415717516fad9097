package directory

// roster is who the members of a project are, to check its ACLs against.
type roster struct {
	members   []Member
	users     []int           // the numbers of the users that members name
	index     index           // of members, by name
	seen      []int           // by member, the ACL that named the member last
	acl       int             // which ACL it is
	strangers map[string]bool // who else is named in it
}

func newRoster(members []Member, users []int) *roster {
	return &roster{members: members, users: users, index: newIndex(len(members)), seen: make([]int, len(members))}
}

// add adds a member, unless there is one of this name, which it returns.
func (r *roster) add(i int) (first int, taken bool) {
	name := r.members[i].User
	return r.index.add(hashName(name), i, r.isMember(name))
}

// find returns the member of this name.
func (r *roster) find(name string) (i int, ok bool) {
	return r.index.find(hashName(name), r.isMember(name))
}

func (r *roster) isMember(name string) func(int) bool {
	return func(i int) bool { return r.members[i].User == name }
}

// begin begins another ACL.
func (r *roster) begin() {
	r.acl++
	r.strangers = nil
}

// see reports whether user is a member, and whether the ACL named the user before.
func (r *roster) see(user string) (member, again bool) {
	if i, ok := r.find(user); ok {
		again = r.seen[i] == r.acl
		r.seen[i] = r.acl
		return true, again
	}
	if again = r.strangers[user]; !again {
		if r.strangers == nil {
			r.strangers = map[string]bool{}
		}
		r.strangers[user] = true
	}
	return false, again
}

// end ends the ACLs. Who the members are is still asked for.
func (r *roster) end() { r.seen, r.strangers = nil, nil }
